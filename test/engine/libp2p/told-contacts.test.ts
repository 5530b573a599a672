import { randomBytes } from 'node:crypto'
import type { Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { expect, test } from 'vitest'
import { dhtModes } from '../../../src/engine/libp2p/dht/dht.ts'
import { boundContacts } from '../../../src/engine/libp2p/dht/told-contacts.ts'
import { bytesIn, readFields } from '../../../src/engine/libp2p/protobuf.ts'
import { startedLibp2pEngine } from '../../fixtures/libp2p-engine.ts'
import { field, sized, unsized } from '../../fixtures/protobuf.ts'
import { stockNode } from '../../fixtures/stock-node.ts'

const newIdBytes = () => Buffer.concat([Buffer.of(0, 36, 8, 1, 18, 32), randomBytes(32)])
const address = (port: number) => multiaddr(`/ip4/127.0.0.1/tcp/${port}`).bytes

/** A `Peer` of kad-dht. */
function peer(addresses: number, id: Uint8Array = newIdBytes()): Buffer {
  return Buffer.concat([field(1, id), ...Array.from({ length: addresses }, (_, index) => field(2, address(1_000 + index)))])
}

test('peers and addresses beyond a maximum are left out of a message, and all else stays', () => {
  const head = Buffer.concat([Buffer.of(8, 4), field(2, 'key')])
  const message = Buffer.concat([
    head,
    ...Array.from({ length: 100 }, () => field(8, peer(30))),
    ...Array.from({ length: 50 }, () => field(9, peer(1))),
    // The cluster level, a negative number.
    Buffer.from('50ffffffffffffffffff01', 'hex'),
  ])
  const bounded = boundContacts(message, { closer: 20, providers: 10, addresses: 16 })
  const fields = readFields(bounded.message)
  const closer = bytesIn(fields, 8)
  expect([closer.length, bytesIn(fields, 9).length]).toEqual([20, 10])
  expect(closer.map((each) => bytesIn(readFields(each), 2).length)).toEqual(Array(20).fill(16))
  expect(bounded.addresses).toHaveLength(20 * 16 + 10)
  expect(Buffer.from(bounded.message).subarray(0, head.length).equals(head)).toBe(true)
  expect(fields.at(-1)?.number).toBe(10)
})

test('a message within the maximum is handed on as it is', () => {
  const message = Buffer.concat([Buffer.of(8, 4), field(8, peer(3)), field(3, randomBytes(100))])
  expect(Buffer.from(boundContacts(message, { closer: 1, providers: 0, addresses: 3 }).message).equals(message)).toBe(true)
})

test.for<[string, Buffer]>([
  ['65,000 fields', Buffer.alloc(130_000, Buffer.of(0x42, 0))],
  ['a field that is longer than the message', Buffer.of(0x42, 9, 1)],
  ['a group', Buffer.of(0x43, 0x44)],
  ['a number without an end', Buffer.alloc(20, 0xff)],
])('%s is no message', ([, bytes]) => {
  expect(() => boundContacts(bytes, { closer: 1, providers: 1, addresses: 1 })).toThrow()
})

const protocol = dhtModes.lan.protocol

async function linkedPeer() {
  const gateway = await startedLibp2pEngine({ listen: ['/ip4/127.0.0.1/tcp/0'] })
  const node = await stockNode()
  return { gateway, node, dial: async () => await node.dial(multiaddr((await gateway.multiaddrs())[0] ?? '')) }
}

/** The first message on a stream, or undefined when it ends before. */
async function answerOn(stream: Stream): Promise<Uint8Array | undefined> {
  return await new Promise((resolve) => {
    stream.addEventListener('message', ({ data }) => resolve(data.subarray()))
    stream.addEventListener('close', () => resolve(undefined))
  })
}

test('a request with tens of thousands of fields ends its stream, unread', async () => {
  const { dial } = await linkedPeer()
  const stream = await (await dial()).newStream(protocol)
  const answer = answerOn(stream)
  stream.send(sized(Buffer.concat([Buffer.of(8, 4), field(2, randomBytes(32)), Buffer.alloc(120_000, Buffer.of(0x42, 0))])))
  expect(await answer).toBeUndefined()
})

test('of a peer that announces itself with a thousand addresses, some are kept', async () => {
  const { node, dial } = await linkedPeer()
  const connection = await dial()
  const key = Buffer.concat([Buffer.of(0x12, 32), randomBytes(32)])
  const announcing = await connection.newStream(protocol)
  announcing.send(sized(Buffer.concat([Buffer.of(8, 2), field(2, key), field(9, peer(1_000, node.peerId.toMultihash().bytes))])))

  async function toldProviders(): Promise<Uint8Array[]> {
    const asking = await (await dial()).newStream(protocol)
    const answer = answerOn(asking)
    asking.send(sized(Buffer.concat([Buffer.of(8, 3), field(2, key)])))
    return bytesIn(readFields(unsized((await answer) ?? new Uint8Array())), 9)
  }
  await expect.poll(async () => (await toldProviders()).length).toBe(1)
  const [provider = new Uint8Array()] = await toldProviders()
  expect(bytesIn(readFields(provider), 2).length).toBeLessThan(30)
})

test('a peer that answers with a thousand providers is believed some of them', async () => {
  const { gateway, node, dial } = await linkedPeer()
  const providers = Buffer.concat(Array.from({ length: 1_000 }, () => field(9, peer(1))))
  await node.handle(protocol, (stream) => {
    stream.addEventListener('message', () => void stream.send(sized(Buffer.concat([Buffer.of(8, 3), providers]))))
  })
  await dial()
  const found: string[] = []
  const cid = 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy'
  await expect
    .poll(async () => {
      const providersOf = gateway.routing.findProviders(cid, { signal: AbortSignal.timeout(5_000) })
      for await (const { peerId } of providersOf) found.push(peerId)
      return found.length
    })
    .toBeGreaterThan(0)
  expect(found.length).toBeLessThan(60)
})
