import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Connection, Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { expect, test } from 'vitest'
import type { Limits } from '../../../src/limits.ts'
import { createMessageSigner, peerIdBytes, type SignedMessage } from '../../../src/model/signed-message.ts'
import { startedLibp2pEngine } from '../../fixtures/libp2p-engine.ts'
import { createMemoryIdentity } from '../../fixtures/memory-identity.ts'
import { field, sized } from '../../fixtures/protobuf.ts'
import { slowTaker } from '../../fixtures/slow-taker.ts'
import { stockNode } from '../../fixtures/stock-node.ts'
import { hiddenGateway, patience, relayForTest } from '../../fixtures/webrtc-network.ts'

const forms = { tcp: /\/tcp\/\d+\/p2p/, websocket: /\/ws\//, quic: /\/quic-v1\// }
const { peerId, seed } = await createMemoryIdentity()
const signer = createMessageSigner(peerId, seed)
const from = peerIdBytes(peerId)

/** A message in an RPC, https://github.com/libp2p/specs/blob/master/pubsub/README.md#the-message */
function encoded({ sequence, topic, data, signature }: SignedMessage): Buffer {
  return field(2, Buffer.concat([field(1, from), field(2, data), field(3, sequence), field(4, topic), field(5, signature)]))
}

/** Sends as fast as the other end takes it. */
async function sendAll(connection: Connection, frames: Iterable<Buffer>): Promise<Stream> {
  const stream = await connection.newStream(['/meshsub/1.1.0'])
  for (const frame of frames) if (!stream.send(frame)) await stream.onDrain()
  return stream
}

/**
 * Of messages that are twice as many bytes together as kernel, muxer and stream hold unread at most: 6 and 4 MiB of a TCP socket's ends on Linux.
 */
function* frames(count: number): Generator<Buffer> {
  const data = (number: number) => Buffer.from(String(number).padEnd(600))
  for (let at = 0; at < count; at += 50) {
    const messages = Array.from({ length: 50 }, (_, index) => signer.sign(BigInt(at + index), 'orders', data(at + index)))
    yield sized(Buffer.concat(messages.map(encoded)))
  }
}

/** Signed before there are connections: it takes longer than a connection waits, on a slow machine. */
const all = [...frames(30_000)]

test.each(['tcp', 'websocket', 'quic'] as const)(
  'a sender over %s that is faster than messages are taken in loses none of 30,000',
  async (transport) => {
    const { inbound, taken, lost } = slowTaker()
    const engine = await startedLibp2pEngine({ inbound })
    await engine.subscribe('orders')
    const node = await stockNode()
    const address = (await engine.multiaddrs()).find((one) => forms[transport].test(one)) ?? ''
    const connection = await node.dial(multiaddr(address))
    const stream = await sendAll(connection, all)
    await stream.close()
    // It was held back: what has left it and was not taken fits into windows and buffers.
    expect(taken.length).toBeGreaterThan(10_000)
    await expect.poll(() => taken.length + lost(), { timeout: 120_000 }).toBe(30_000)
    expect(lost()).toBe(0)
    expect(taken).toEqual(Array.from({ length: 30_000 }, (_, index) => index))
    expect(connection.status).toBe('open')
  },
  240_000,
)

/** A gateway that takes messages in slowly, and a stock node that is connected to it by WebRTC. */
async function overWebRtc(perSecond: number, limits: Partial<Limits> = {}) {
  const { inbound, taken, lost } = slowTaker(perSecond)
  const { engine, address } = await hiddenGateway(await relayForTest(), { inbound, limits })
  await engine.subscribe('orders')
  const node = await stockNode({ webRtc: true, listen: [] })
  const connection = await node.dial(multiaddr(address), { signal: AbortSignal.timeout(20_000) })
  expect(connection.direct).toBe(true)
  return { engine, node, connection, taken, lost }
}

test('a sender over WebRTC, which nothing holds back, loses none of 30,000: they wait to be taken in', async () => {
  const { connection, taken, lost } = await overWebRtc(2_000)
  const stream = await sendAll(connection, all)
  await expect.poll(() => taken.length + lost(), { timeout: 120_000 }).toBe(30_000)
  expect(lost()).toBe(0)
  expect(taken).toEqual(Array.from({ length: 30_000 }, (_, index) => index))
  // Its end was read: a stock node waits ten seconds for the answer to that.
  await stream.close()
  expect(connection.status).toBe('open')
}, 240_000)

test('a stock node that publishes over WebRTC much faster than messages are taken in loses none', async () => {
  const { node, connection, taken } = await overWebRtc(500)
  const { pubsub } = node.services
  // Its gossip has left the relayed connection that the signals went over.
  const isAlone = () => node.getConnections(connection.remotePeer).length === 1
  const gossip = () => connection.streams.filter(({ protocol, direction }) => direction === 'outbound' && protocol.includes('meshsub'))
  await expect.poll(() => isAlone() && gossip().length === 1, patience).toBe(true)
  await expect.poll(() => pubsub.getSubscribers('orders').length, patience).toBe(1)
  for (let number = 0; number < 8_000; number++) {
    await pubsub.publish('orders', Buffer.from(String(number).padEnd(600)))
    // The gateway is in the same process.
    await nextTurn()
  }
  await expect.poll(() => taken.length, { timeout: 120_000 }).toBe(8_000)
  expect(new Set(taken).size).toBe(8_000)
}, 240_000)

test('maxWebrtcUnreadBytes: a stream over WebRTC that finds no room is reset, and its connection stays', async () => {
  const { engine, connection } = await overWebRtc(2_000, { maxWebrtcUnreadBytes: 262_144 })
  // All may have left before the reset comes.
  await sendAll(connection, all).catch(() => undefined)
  await expect.poll(() => engine.limitsReached.unread_webrtc).toBe(1)
  expect(connection.status).toBe('open')
}, 240_000)
