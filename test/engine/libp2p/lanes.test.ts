import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { RPC } from '@libp2p/gossipsub/message'
import { identify } from '@libp2p/identify'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { expect, onTestFinished, test } from 'vitest'
import type { EngineEvent, P2PEngine } from '../../../src/engine/engine.ts'
import { messageId, type SignedMessage } from '../../../src/model/signed-message.ts'
import { startedLibp2pEngine } from '../../fixtures/libp2p-engine.ts'
import { type StockNode, stockNode } from '../../fixtures/stock-node.ts'

/** How messages leave for neighbours of each kind, and what becomes of those that a neighbour does not get. */

const signal = AbortSignal.timeout(600_000)
const numbers = Array.from({ length: 100 }, (_, number) => String(number))

async function addressOf(engine: P2PEngine): Promise<string> {
  const [address = ''] = await engine.multiaddrs()
  return address
}

const sign = (engine: P2PEngine, data: (string | Uint8Array)[]) =>
  engine.sign(data.map((each) => ({ topic: 'orders', data: Buffer.from(each) })))

/** A stock node that has joined the topic, with the messages of each RPC that has come. */
async function reader(
  engine: P2PEngine,
  { agent }: { agent: string } = { agent: 'go-libp2p/0.51.0' },
): Promise<{ node: StockNode; rpcs: string[][] }> {
  const node = await stockNode({ agent })
  const { pubsub } = node.services
  const rpcs: string[][] = []
  const { handleReceivedRpc } = Object(pubsub)
  Object(pubsub).handleReceivedRpc = (from: unknown, rpc: RPC) => {
    if (rpc.messages.length > 0) rpcs.push(rpc.messages.map(({ data }) => Buffer.from(data ?? []).toString()))
    return handleReceivedRpc.call(pubsub, from, rpc)
  }
  pubsub.subscribe('orders')
  await node.dial(multiaddr(await addressOf(engine)))
  const peerId = node.peerId.toString()
  await expect.poll(() => engine.subscribers('orders')).toContain(peerId)
  await expect.poll(async () => (await engine.peers()).find((peer) => peer.peerId === peerId)?.agent ?? null).not.toBe(null)
  return { node, rpcs }
}

test.each([
  ['go-libp2p/0.51.0', 1],
  ['kubo/0.43.1', 1],
  ['peergate/0.1.0', 50],
  ['rust-libp2p/0.47.0', 50],
  ['js-libp2p/3.3.0', 50],
])('%s is sent at most %i messages in an RPC, in order', async (agent, most) => {
  const engine = await startedLibp2pEngine()
  const { rpcs } = await reader(engine, { agent })
  expect(await engine.send(await sign(engine, numbers))).toEqual(numbers.map(() => 1))
  await expect.poll(() => rpcs.flat()).toEqual(numbers)
  expect(Math.max(...rpcs.map(({ length }) => length))).toBe(most)
})

test('what is forwarded to a foreign peer leaves one at a time too', async () => {
  const [author, engine] = [await startedLibp2pEngine(), await startedLibp2pEngine()]
  await engine.subscribe('orders')
  await author.dial(await addressOf(engine), { source: 'rest', signal })
  await expect.poll(() => author.subscribers('orders')).toEqual([engine.peerId])
  await expect.poll(async () => (await author.peers())[0]?.agent).toBe('peergate/test')
  const { rpcs } = await reader(engine)
  await author.send(await sign(author, numbers))
  await expect.poll(() => rpcs.flat().toSorted()).toEqual(numbers.toSorted())
  expect(Math.max(...rpcs.map(({ length }) => length))).toBe(1)
})

test('maxPacedMessages: so many wait for a peer that is sent one at a time; it is behind with the others, and told of when it has room', async () => {
  const engine = await startedLibp2pEngine({ limits: { maxPacedMessages: 10, pacedMessageMs: 1 } })
  const { node, rpcs } = await reader(engine)
  const events = listen(engine)
  const signed = await sign(engine, numbers)
  const recipients = await engine.send(signed)
  expect(recipients).toEqual(numbers.map((_, index) => (index < 11 ? 1 : 0)))
  const peerId = node.peerId.toString()
  await expect
    .poll(() => events)
    .toEqual([
      { type: 'peer:behind', peerId, since: idOf(signed[11]) },
      { type: 'peer:room', peerId },
    ])
  await expect.poll(() => rpcs.flat()).toEqual(numbers.slice(0, 11))
})

test('what was on its way to a foreign peer whose link ends is told, with its topic', async () => {
  const engine = await startedLibp2pEngine()
  const { node } = await reader(engine)
  const events = listen(engine)
  const signed = await sign(engine, numbers)
  await engine.send(signed)
  await node.stop()
  const left = { type: 'peer:left', peerId: node.peerId.toString(), since: idOf(signed[0]), topics: ['orders'] }
  await expect.poll(() => events.filter(({ type }) => type === 'peer:left')).toEqual([left])
})

test('a peer that closes its end of the gossip over a message is sent the others on a new stream, and no such message again', async () => {
  const engine = await startedLibp2pEngine({ listen: ['/ip4/127.0.0.1/tcp/0'] })
  const { peerId, heard, streams } = await refusingPeer(await addressOf(engine), 65_536)
  await expect.poll(() => engine.subscribers('orders')).toEqual([peerId])
  const events = listen(engine)
  const signed = await sign(engine, ['before', Buffer.alloc(70_000), 'behind it'])
  expect(await engine.send(signed)).toEqual([1, 1, 1])
  await expect.poll(() => events).toContainEqual({ type: 'peer:behind', peerId, since: idOf(signed[0]) })
  // It has a new stream.
  await expect.poll(() => events).toContainEqual({ type: 'peer:room', peerId })
  expect(await engine.stragglers?.send(peerId, signed)).toBe(3)
  // Nothing has been kept from it since.
  engine.stragglers?.settle(peerId)
  expect(engine.stragglers?.settle(peerId)).toBe(true)
  expect(await engine.send(await sign(engine, [Buffer.alloc(70_000), 'after']))).toEqual([0, 1])
  await expect.poll(() => heard).toEqual(['before', 'before', 'behind it', 'after'])
  expect(streams.length).toBe(2)
  expect(engine.limitsReached.peer_message_size).toBe(2)
  expect(signed.map((message) => engine.stragglers?.isTooLarge(message))).toEqual([false, true, false])
})

const idOf = (message: SignedMessage | undefined) => (message === undefined ? '' : messageId(message.from, message.sequence))

/** The events of stragglers from now on. */
function listen(engine: P2PEngine): EngineEvent[] {
  const events: EngineEvent[] = []
  engine.listen((event) => {
    if (event.type === 'peer:behind' || event.type === 'peer:left' || event.type === 'peer:room') events.push(event)
  })
  return events
}

const gossipProtocol = '/meshsub/1.1.0'

/** A peer that treats a stream of gossip as rust-libp2p does: at an RPC that is too large it closes its end, and reads no further. */
async function refusingPeer(address: string, maxRpcBytes: number): Promise<{ peerId: string; heard: string[]; streams: unknown[] }> {
  const node = await createLibp2p({
    addresses: { listen: [] },
    connectionGater: { denyDialMultiaddr: () => false },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify() },
  })
  onTestFinished(async () => void (await node.stop()))
  const heard: string[] = []
  const streams: unknown[] = []
  await node.handle(gossipProtocol, async (stream) => {
    streams.push(stream)
    let bytes = Buffer.alloc(0)
    for await (const chunk of stream) {
      bytes = Buffer.concat([bytes, chunk.subarray()])
      for (let frame = firstFrame(bytes); frame !== undefined; frame = firstFrame(bytes)) {
        if (frame.length > maxRpcBytes) return await stream.close()
        if (bytes.length < frame.end) break
        heard.push(
          ...RPC.decode(bytes.subarray(frame.end - frame.length, frame.end)).messages.map(({ data }) => Buffer.from(data ?? []).toString()),
        )
        bytes = bytes.subarray(frame.end)
      }
    }
  })
  const connection = await node.dial(multiaddr(address))
  const own = await connection.newStream([gossipProtocol])
  const rpc = RPC.encode({ subscriptions: [{ subscribe: true, topic: 'orders' }], messages: [] })
  own.send(Buffer.concat([Buffer.of(rpc.length), rpc]))
  return { peerId: node.peerId.toString(), heard, streams }
}

/** The length of the RPC that bytes begin with, as far as it is there, and where the RPC ends. */
function firstFrame(bytes: Buffer): { length: number; end: number } | undefined {
  let length = 0
  for (const [index, byte] of bytes.entries()) {
    length += (byte & 0x7f) * 128 ** index
    if (byte < 128) return { length, end: index + 1 + length }
  }
  return undefined
}
