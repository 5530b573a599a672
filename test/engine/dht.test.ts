import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Stream } from '@libp2p/interface'
import { peerIdFromPublicKey, peerIdFromString } from '@libp2p/peer-id'
import { lpStream } from '@libp2p/utils'
import { multiaddr } from '@multiformats/multiaddr'
import { createIPNSRecord, marshalIPNSRecord, multihashToIPNSRoutingKey } from 'ipns'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'
import { expect, test, vi } from 'vitest'
import type { P2PEngine } from '../../src/engine/engine.ts'
import { dhtModes } from '../../src/engine/libp2p/dht/dht.ts'
import { namespacesOf } from '../../src/engine/libp2p/dht/dht-namespaces.ts'
import { createGater } from '../../src/engine/libp2p/transport/gater.ts'
import { createLimitsReached } from '../../src/engine/limits-reached.ts'
import { DhtNamespaceUnsupported, InvalidRecord, RecordOutdated } from '../../src/errors.ts'
import { type Libp2pEngineOptions, startedLibp2pEngine } from '../fixtures/libp2p-engine.ts'
import { silentLog } from '../fixtures/log.ts'
import { type StockNode, stockNode } from '../fixtures/stock-node.ts'

const signal = AbortSignal.timeout(600_000)

/** Of the LAN's DHT; the peers of a test are on one host, which others may tell of. */
function member(options: Libp2pEngineOptions = {}): Promise<P2PEngine> {
  return startedLibp2pEngine({ dialOwnHost: true, ...options })
}

async function addressOf(engine: P2PEngine): Promise<string> {
  const [address = ''] = await engine.multiaddrs()
  return address
}

async function link(from: P2PEngine, to: P2PEngine): Promise<void> {
  await from.dial(await addressOf(to), { source: 'rest', signal })
}

async function stockMember(to: P2PEngine): Promise<StockNode> {
  const node = await stockNode({ lanDht: true })
  await node.dial(multiaddr(await addressOf(to)))
  return node
}

async function contentId(text: string): Promise<CID> {
  return CID.createV1(raw.code, await sha256.digest(Buffer.from(text)))
}

async function providersOf(node: StockNode, cid: CID): Promise<string[]> {
  const found: string[] = []
  for await (const { id } of node.contentRouting.findProviders(cid, { signal: AbortSignal.timeout(20_000) })) found.push(id.toString())
  return found
}

/** Asks one gateway, and nobody else, how many providers it keeps (GET_PROVIDERS of kad-dht). */
async function keptProviders(node: StockNode, gateway: P2PEngine, cid: CID): Promise<number> {
  const stream = await node.dialProtocol(peerIdFromString(gateway.peerId), dhtModes.lan.protocol, { signal })
  const messages = lpStream(stream)
  const key = cid.multihash.bytes
  await messages.write(Buffer.concat([Buffer.of(0x08, 3, 0x12, key.length), key]), { signal })
  const answer = Buffer.from((await messages.read({ signal })).subarray())
  await stream.close()
  return protobufFields(answer).filter((number) => number === 9).length
}

/** The numbers of the fields of a protobuf message. */
function protobufFields(bytes: Buffer): number[] {
  const fields: number[] = []
  for (let at = 0; at < bytes.length; ) {
    const [tag, afterTag] = varint(bytes, at)
    const [value, afterValue] = varint(bytes, afterTag)
    fields.push(tag >> 3)
    at = (tag & 7) === 2 ? afterValue + value : afterValue
  }
  return fields
}

function varint(bytes: Buffer, at: number): [number, number] {
  let value = 0
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++] ?? 0
    value |= (byte & 0x7f) << shift
    if (byte < 0x80) return [value, at]
  }
}

const linked = (engine: P2PEngine) => engine.peers().then((peers) => peers.map(({ peerId }) => peerId))
const protocolsOf = (engine: P2PEngine, peerId: string) =>
  engine.peers().then((peers) => peers.find((peer) => peer.peerId === peerId)?.protocols ?? [])

test.each(['lan', 'private'] as const)('peers of one peer find each other (%s)', async (dht) => {
  const [first, second, third] = await Promise.all([member({ dht }), member({ dht }), member({ dht })])
  await link(first, second)
  await link(third, second)
  await expect.poll(() => linked(first)).toContain(third.peerId)
})

test('the peers of two networks that become one find each other', async () => {
  const timers = vi.spyOn(globalThis, 'setTimeout')
  const [first, second, third, fourth] = await Promise.all([member(), member(), member(), member()])
  await link(first, second)
  await link(third, fourth)
  // Each has looked for others, which kad-dht does by itself a second after the start and then after five minutes, as it refreshes its table.
  const looked = () => timers.mock.calls.filter(([{ name }, ms]) => ms === 300_000 && !name.includes('refreshTable')).length
  await expect.poll(looked).toBe(4)
  await link(second, third)
  await expect.poll(() => linked(first)).toContain(fourth.peerId)
})

test('DHTs of different modes have nothing to do with each other', async () => {
  const [lan, closed] = await Promise.all([member({ dht: 'lan' }), member({ dht: 'private' })])
  await link(lan, closed)
  await expect.poll(() => protocolsOf(lan, closed.peerId)).toContain(dhtModes.private.protocol)
  expect(await protocolsOf(lan, closed.peerId)).not.toContain(dhtModes.lan.protocol)
  await expect.poll(() => protocolsOf(closed, lan.peerId)).toContain(dhtModes.lan.protocol)
  expect(await protocolsOf(closed, lan.peerId)).not.toContain(dhtModes.private.protocol)
})

test('who can only be reached through others answers nobody', async () => {
  const [hidden, other] = await Promise.all([member({ listen: ['/p2p-circuit'] }), member()])
  await link(hidden, other)
  await expect.poll(() => protocolsOf(other, hidden.peerId)).not.toEqual([])
  expect(await protocolsOf(other, hidden.peerId)).not.toContain(dhtModes.lan.protocol)
})

test('addresses of this host that others tell are dialled only where the operator says so', async () => {
  const dialOwnHost = false
  const [first, second, third] = await Promise.all([member({ dialOwnHost }), member(), member({ dialOwnHost })])
  await link(first, second)
  await link(third, second)
  const free = await member()
  await link(free, second)
  // Whoever asks is told of all of them.
  await expect.poll(async () => (await linked(free)).toSorted()).toEqual([first, second, third].map(({ peerId }) => peerId).toSorted())
  expect(await linked(first)).not.toContain(third.peerId)
})

test('a stock node finds peers and providers through a gateway', async () => {
  const gateway = await member()
  const [provider, seeker] = await Promise.all([stockMember(gateway), stockMember(gateway)])
  const cid = await contentId('a thing to be found')
  await provider.contentRouting.provide(cid, { signal })
  await expect.poll(() => providersOf(seeker, cid)).toEqual([provider.peerId.toString()])
  const found = await seeker.peerRouting.findPeer(provider.peerId, { signal: AbortSignal.timeout(20_000) })
  expect(found.multiaddrs.length).toBeGreaterThan(0)
})

test('a peer that was hung up on, or that refuses links, is not dialled again because the DHT knows it', async () => {
  const letGo = new Set<string>()
  const avoided = new Set<string>()
  const gater = createGater(
    { maxConnections: 1, maxHandshakesPerSecond: 100 },
    {
      blocked: new Set(),
      letGo,
      isAvoided: (other) => avoided.has(other),
      isProtected: () => false,
      connections: () => [],
      reached: createLimitsReached(),
      logger: silentLog,
    },
  )
  const { peerId } = await member()
  expect(await gater.denyDialPeer?.(peerIdFromString(peerId))).toBe(false)
  letGo.add(peerId)
  expect(await gater.denyDialPeer?.(peerIdFromString(peerId))).toBe(true)
  letGo.delete(peerId)
  avoided.add(peerId)
  expect(await gater.denyDialPeer?.(peerIdFromString(peerId))).toBe(true)
})

test('maxDhtRecordsPerPeer: of a peer that leaves too much the rest is refused', async () => {
  const gateway = await member({ limits: { maxDhtRecordsPerPeer: 2 } })
  const provider = await stockMember(gateway)
  const cids = await Promise.all(['one', 'two', 'three', 'four'].map(contentId))
  for (const cid of cids) await provider.contentRouting.provide(cid, { signal })
  const kept: number[] = []
  for (const cid of cids) kept.push(await keptProviders(provider, gateway, cid))
  expect(kept).toEqual([1, 1, 0, 0])
  expect(gateway.limitsReached.dht_record).toBe(2)
})

test('maxDhtMessageBytes: a longer answer is not read', async () => {
  // A whole answer: its length, its type (FIND_NODE), and a key of 100,000 bytes.
  const answer = Buffer.concat([Buffer.from('a68d06 0804 12a08d06'.replaceAll(' ', ''), 'hex'), Buffer.alloc(100_000)])
  async function endOfAnswer(maxDhtMessageBytes: number): Promise<string | undefined> {
    const node = await stockNode()
    const gateway = await member({ limits: { maxDhtMessageBytes } })
    const ended = new Promise<string | undefined>((resolve) => {
      void node.handle(dhtModes.lan.protocol, (stream) => {
        stream.addEventListener('close', ({ error }) => resolve(error?.name))
        stream.addEventListener('message', () => stream.send(answer), { once: true })
        stream.addEventListener('remoteCloseWrite', () => void stream.close())
      })
    })
    await gateway.dial(node.getMultiaddrs()[0]?.toString() ?? '', { source: 'rest', signal })
    return await ended
  }
  expect(await endOfAnswer(131_072)).toBeUndefined()
  expect(await endOfAnswer(66_560)).toBe('StreamResetError')
})

/** A stream to a gateway with the beginning of a request of so many bytes. */
async function begunRequest(gateway: P2PEngine, length: number, bytes: number): Promise<Stream> {
  const node = await stockNode()
  const connection = await node.dial(multiaddr(await addressOf(gateway)))
  const stream = await connection.newStream(dhtModes.lan.protocol, { signal })
  const header = Buffer.of((length % 128) + 128, (Math.floor(length / 128) % 128) + 128, Math.floor(length / 16_384))
  stream.send(Buffer.concat([header, Buffer.alloc(bytes)]))
  return stream
}

test('maxDhtMessageBytes: a longer request is not read', async () => {
  const gateway = await member({ limits: { maxDhtMessageBytes: 66_560 } })
  // What waits longer is given up first, by kad-dht itself.
  const short = await begunRequest(gateway, 66_000, 60_000)
  for (const bytes of [1, 70_000]) {
    const long = await begunRequest(gateway, 200_000, bytes)
    await expect.poll(() => long.status).toBe('reset')
  }
  expect(short.status).toBe('open')
})

test('maxPeerBodyBytes: requests of the DHT that are not whole count, and end beyond it', async () => {
  const gateway = await member({ limits: { maxMessageBytes: 1_000, maxPeerBodyBytes: 1_048_576 } })
  const begin = () => begunRequest(gateway, 120_000, 100_000)
  const streams: Stream[] = []
  // One address has three quarters of the room.
  for (let count = 0; count < 10; count++) streams.push(await begin())
  await expect.poll(() => streams.filter(({ status }) => status === 'reset').length).toBeGreaterThan(0)
  const { body_refused, body_given_up } = gateway.limitsReached
  expect(body_refused + body_given_up).toBeGreaterThan(0)
  expect(streams[0]?.status).toBe('open')
})

test('maxPeerBodyBytes: whole requests of the DHT count while they wait for each other', async () => {
  const gateway = await member({ limits: { maxMessageBytes: 1_000, maxPeerBodyBytes: 1_048_576 } })
  const node = await stockNode()
  const connection = await node.dial(multiaddr(await addressOf(gateway)))
  const stream = await connection.newStream(dhtModes.lan.protocol, { signal })
  const findNode = Buffer.concat([Buffer.of(36, 8, 4, 18, 32), Buffer.alloc(32)])
  stream.send(Buffer.concat(Array.from({ length: 1_500 }, () => findNode)))
  await expect.poll(() => stream.status).toBe('reset')
  const { body_refused, body_given_up } = gateway.limitsReached
  expect(body_refused + body_given_up).toBeGreaterThan(0)
})

test('maxDhtStreams: requests beyond it are refused', async () => {
  const gateway = await member({ limits: { maxDhtStreams: 2 } })
  const node = await stockNode()
  const connection = await node.dial(multiaddr(await addressOf(gateway)))
  const open = () => connection.newStream(dhtModes.lan.protocol, { signal })
  const streams = [await open(), await open()]
  const third = await open().catch((error: Error) => error)
  if (!(third instanceof Error)) await expect.poll(() => third.status).toBe('reset')
  expect(streams.map(({ status }) => status)).toEqual(['open', 'open'])
})

test('a stock node and a gateway find the IPNS records of each other', async () => {
  const gateway = await member()
  const node = await stockMember(gateway)
  const signer = await generateKeyPair('Ed25519')
  const name = peerIdFromPublicKey(signer.publicKey)
  const [older, newer] = await Promise.all(
    [1n, 2n].map((sequence) => createIPNSRecord(signer, '/ipfs/bafkqaaa', sequence, 3_600_000).then(marshalIPNSRecord)),
  )
  if (older === undefined || newer === undefined) throw new Error('no records')
  await expect
    .poll(() => node.contentRouting.put(multihashToIPNSRoutingKey(name.toMultihash()), older, { signal }).then(() => 'put', String), {
      timeout: 20_000,
    })
    .toBe('put')
  const get = async () => Buffer.from(await gateway.routing.get(`/ipns/${name}`, { signal })).toString('hex')
  await expect.poll(get).toBe(Buffer.from(older).toString('hex'))
  await gateway.routing.put(`/ipns/${name.toCID()}`, newer, { signal })
  expect(Buffer.compare(await node.contentRouting.get(multihashToIPNSRoutingKey(name.toMultihash()), { signal }), newer)).toBe(0)
  await expect(gateway.routing.put(`/ipns/${name}`, older, { signal })).rejects.toBeInstanceOf(RecordOutdated)
  await expect(gateway.routing.put(`/ipns/${name}`, Buffer.from('none'), { signal })).rejects.toBeInstanceOf(InvalidRecord)
})

test('the public DHT keeps no values of ours', () => {
  const { keyBytes } = namespacesOf('public')
  expect(() => keyBytes(`/peergate/imm/${'0'.repeat(64)}`)).toThrow(DhtNamespaceUnsupported)
  expect(Buffer.from(keyBytes('/pk/12D3KooWGzBVWSyX2WwYPxNSUAtV5E7aVvZLgzPZKbLsdFQhcZYz')).subarray(0, 4).toString()).toBe('/pk/')
})
