// The kind: a peer's word makes a gateway dial, again and again, a host that is no peer: it names ever new peer ids there.
import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { encode } from 'cborg'
import multicastDns from 'multicast-dns'
import { expect, onTestFinished, test } from 'vitest'
import { dhtProtocol } from '../../../src/engine/custom/dht/dht.ts'
import { frameTypes } from '../../../src/engine/custom/link/frame-types.ts'
import { encodeGoodbye } from '../../../src/engine/custom/link/goodbye.ts'
import type { ControlFrame } from '../../../src/engine/custom/wire/overlay-frame.ts'
import { encodeControl } from '../../../src/engine/custom/wire/overlay-frame.ts'
import type { P2PEngine } from '../../../src/engine/engine.ts'
import { type CountedSockets, countedSockets } from '../../fixtures/counted-sockets.ts'
import { startedCustomEngine } from '../../fixtures/custom-engine.ts'
import { startedLibp2pEngine } from '../../fixtures/libp2p-engine.ts'
import { createMemoryIdentity } from '../../fixtures/memory-identity.ts'
import { openLinkedPeer, type RawPeer, webSocketUrl } from '../../fixtures/raw-peer.ts'
import { stockNode } from '../../fixtures/stock-node.ts'

/** The time that is watched, in milliseconds, and dials to one host that are too many in it; without a budget there are hundreds. */
const windowMs = 5_000
const tooMany = 20

const ports = 16

async function neighbour(): Promise<CountedSockets[]> {
  return await Promise.all(Array.from({ length: ports }, () => countedSockets({ host: '127.0.0.2' })))
}

function counted(sockets: CountedSockets[]): number {
  return sockets.reduce((sum, { count }) => sum + count, 0)
}

/** Somebody that nobody has ever heard of, at each of the ports. */
async function strangers(sockets: CountedSockets[]) {
  return await Promise.all(
    sockets.map(async ({ port }) => {
      const { peerId } = await createMemoryIdentity()
      return { peerId, multiaddrs: [`/ip4/127.0.0.2/tcp/${port}/ws/p2p/${peerId}`] }
    }),
  )
}

async function victim(): Promise<P2PEngine> {
  return await startedCustomEngine({ dialOwnHost: true })
}

/** Says the frames over and over for the time that is watched. */
async function tell(peer: RawPeer, framesOf: () => Promise<ControlFrame[]>): Promise<void> {
  const until = performance.now() + windowMs
  while (performance.now() < until) {
    for (const frame of await framesOf()) peer.channel.write(frameTypes.control, encodeControl(frame))
    await pause(100)
  }
}

let walk = 0

test.each<[string, (peers: Awaited<ReturnType<typeof strangers>>) => ControlFrame[]]>([
  ['forward-join', (peers) => peers.map((peer) => ({ type: 'forward-join', peer, hops: 0 }))],
  ['shuffle', (peers) => [{ type: 'shuffle', token: `walk${walk++}`, hops: 0, peers: peers.map((peer) => ({ peer, topics: ['news'] })) }]],
  ['seek', (peers) => peers.map((seeker) => ({ type: 'seek', token: `walk${walk++}`, topic: 'news', hops: 0, seeker }))],
])('what a peer says in %s makes a gateway dial a neighbour a few times only', async (_type, framesOf) => {
  const gateway = await victim()
  const sockets = await neighbour()
  await gateway.subscribe('news')
  using peer = await openLinkedPeer(webSocketUrl(await gateway.multiaddrs()))
  await expect.poll(async () => (await gateway.peers()).length).toBe(1)
  peer.channel.write(frameTypes.control, encodeControl({ type: 'subscriptions', add: ['news'], remove: [] }))
  await tell(peer, async () => framesOf(await strangers(sockets)))
  expect(counted(sockets)).toBeLessThan(tooMany)
})

test('a peer that is there is dialled on the word of a peer that has told many lies', async () => {
  const gateway = await victim()
  const sockets = await neighbour()
  const honest = await startedCustomEngine({ dialOwnHost: true })
  using peer = await openLinkedPeer(webSocketUrl(await gateway.multiaddrs()))
  await expect.poll(async () => (await gateway.peers()).length).toBe(1)
  for (let round = 0; round < 3; round++) {
    for (const stranger of await strangers(sockets)) {
      peer.channel.write(frameTypes.control, encodeControl({ type: 'forward-join', peer: stranger, hops: 0 }))
    }
  }
  const truth = { peerId: honest.peerId, multiaddrs: await honest.multiaddrs() }
  const told = async () => {
    peer.channel.write(frameTypes.control, encodeControl({ type: 'forward-join', peer: truth, hops: 0 }))
    return (await gateway.peers()).map(({ peerId }) => peerId)
  }
  await expect.poll(told, { timeout: 30_000, interval: 500 }).toContain(honest.peerId)
})

/** Does something again and again for the time that is watched. */
async function keepOn(work: () => Promise<unknown>): Promise<void> {
  const until = performance.now() + windowMs
  while (performance.now() < until) {
    await work()
    await pause(100)
  }
}

test('goodbyes that name others make a gateway dial a neighbour a few times only', async () => {
  const gateway = await victim()
  const sockets = await neighbour()
  await keepOn(async () => {
    using peer = await openLinkedPeer(webSocketUrl(await gateway.multiaddrs()))
    const peers = (await strangers(sockets)).slice(0, 8)
    peer.channel.write(frameTypes.goodbye, encodeGoodbye({ reason: 'full', retryAfterMs: 0, peers }))
    await peer.closed
  })
  expect(counted(sockets)).toBeLessThan(tooMany)
})

test('answers of the DHT make a gateway dial a neighbour a few times only', async () => {
  const gateway = await victim()
  const sockets = await neighbour()
  let asked = 0
  const seed = crypto.getRandomValues(new Uint8Array(32))
  const { peerId } = await createMemoryIdentity(seed)
  using peer = await openLinkedPeer(webSocketUrl(await gateway.multiaddrs()), {
    seed,
    hello: { protocols: [dhtProtocol], multiaddrs: [`/ip4/127.0.0.1/tcp/1/ws/p2p/${peerId}`] },
    onFrame(type, body) {
      if (type !== frameTypes.requestBody) return
      asked++
      void strangers(sockets).then((closer) => {
        const answer = encode({ closer })
        peer.channel.write(frameTypes.answer, encode({ id: body.readUInt32BE(), length: answer.length }))
        peer.channel.write(frameTypes.answerBody, body.subarray(0, 4), answer)
      })
    },
  })
  await expect.poll(async () => (await gateway.peers()).length).toBe(1)
  await keepOn(async () => {
    const { peerId: sought } = await createMemoryIdentity()
    await gateway.routing.findPeer(sought, { signal: AbortSignal.timeout(1_000) }).catch(() => undefined)
  })
  expect(asked).toBeGreaterThan(0)
  expect(counted(sockets)).toBeLessThan(tooMany)
})

test('announcements on the local network make a gateway dial a neighbour a few times only', async () => {
  const mdnsServiceName = `_${randomUUID().slice(0, 8)}._udp.local`
  const gateway = await startedCustomEngine({ mdnsServiceName })
  const found: string[] = []
  gateway.listen((event) => {
    if (event.type === 'peer:discovery') found.push(event.peerId)
  })
  const sockets = await neighbour()
  const dns = multicastDns()
  onTestFinished(() => new Promise<void>((resolve) => dns.destroy(() => resolve())))
  await keepOn(async () => {
    for (const { peerId, multiaddrs } of await strangers(sockets)) {
      const data = multiaddrs.map((address) => Buffer.from(`dnsaddr=${address}`))
      dns.respond({
        answers: [{ name: mdnsServiceName, type: 'PTR', ttl: 120, data: `${peerId}.${mdnsServiceName}` }],
        additionals: [{ name: `${peerId}.${mdnsServiceName}`, type: 'TXT', ttl: 120, data }],
      })
    }
  })
  await expect.poll(() => counted(sockets)).toBeGreaterThan(0)
  expect(counted(sockets)).toBeLessThan(tooMany)
  // Nobody was there, so nothing is known of where anybody is.
  expect(found).toEqual([])
})

/** A field of a protobuf that has a length (https://protobuf.dev/programming-guides/encoding/). */
function field(number: number, bytes: Uint8Array): Buffer {
  return Buffer.concat([Buffer.of(number * 8 + 2), varint(bytes.length), bytes])
}

function varint(value: number): Buffer {
  return value < 128 ? Buffer.of(value) : Buffer.concat([Buffer.of((value % 128) + 128), varint(Math.floor(value / 128))])
}

test('answers of kad-dht make a gateway dial a neighbour a few times only', async () => {
  const gateway = await startedLibp2pEngine({ listen: ['/ip4/127.0.0.1/tcp/0'], dialOwnHost: true })
  const sockets = await neighbour()
  const hostile = await stockNode()
  let asked = 0
  await hostile.handle('/ipfs/lan/kad/1.0.0', (stream) => {
    stream.addEventListener('message', () => {
      asked++
      void strangers(sockets).then((told) => {
        const peers = told.map(({ peerId, multiaddrs: [address = ''] }) =>
          field(
            8,
            Buffer.concat([field(1, peerIdFromString(peerId).toMultihash().bytes), field(2, multiaddr(address.replace('/ws', '')).bytes)]),
          ),
        )
        // The type FIND_NODE.
        const message = Buffer.concat([Buffer.of(8, 4), ...peers])
        stream.send(Buffer.concat([varint(message.length), message]))
      })
    })
  })
  await hostile.dial(multiaddr((await gateway.multiaddrs())[0] ?? ''))
  await keepOn(async () => {
    const { peerId: sought } = await createMemoryIdentity()
    await gateway.routing.findPeer(sought, { signal: AbortSignal.timeout(1_000) }).catch(() => undefined)
  })
  expect(asked).toBeGreaterThan(0)
  expect(counted(sockets)).toBeLessThan(tooMany)
})
