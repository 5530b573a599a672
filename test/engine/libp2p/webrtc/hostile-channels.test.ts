import { createSocket } from 'node:dgram'
import { queryObjects } from 'node:v8'
import type { Connection } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { RTCDataChannel } from 'node-datachannel/polyfill'
import { expect, onTestFinished, test } from 'vitest'
import type { Limits } from '../../../../src/limits.ts'
import { createRandom } from '../../../fixtures/random.ts'
import { stockNode } from '../../../fixtures/stock-node.ts'
import { echoOver, hiddenGateway, patience, relayForTest } from '../../../fixtures/webrtc-network.ts'

/** A peer that uses the data channels of its WebRTC connection as no honest one does. */

const timeout = 60_000

/** What the tests use of the native connection, and of a channel. */
interface PeerConnection {
  createDataChannel(label: string): Channel
  sctp: { transport: { iceTransport: { getSelectedCandidatePair(): { remote: { address: string; port: number } } | null } } } | null
}
interface Channel extends EventTarget {
  readonly readyState: string
  send(data: Uint8Array | string): void
  close(): void
}

async function connect(limits: Partial<Limits> = {}) {
  const { engine, address } = await hiddenGateway(await relayForTest(), { limits })
  const stock = await stockNode({ webRtc: true, listen: [] })
  const connection = await stock.dial(multiaddr(address), { signal: AbortSignal.timeout(20_000) })
  return { engine, connection, peerConnection: peerConnectionOf(connection) }
}

function peerConnectionOf(connection: Connection & { muxer?: { peerConnection?: PeerConnection } }): PeerConnection {
  const found = connection.muxer?.peerConnection
  if (found === undefined) throw new Error('the connection is no WebRTC connection')
  return found
}

async function openChannel(peerConnection: PeerConnection, label = ''): Promise<Channel> {
  const channel = peerConnection.createDataChannel(label)
  // One that the other end closes at once may close without having told that it was open.
  await new Promise((resolve) => {
    for (const event of ['open', 'close']) channel.addEventListener(event, resolve, { once: true })
  })
  return channel
}

test('streams beyond the maximum of a connection are closed, and those within it go on', { timeout }, async () => {
  const { connection, peerConnection } = await connect({ maxStreamsPerConnection: 30 })
  const channels = await Promise.all(Array.from({ length: 100 }, () => openChannel(peerConnection)))
  const open = () => channels.filter(({ readyState }) => readyState === 'open')
  await expect.poll(() => open().length, patience).toBeLessThanOrEqual(30)
  expect(connection.status).toBe('open')
  for (const channel of open()) channel.close()
  await expect.poll(async () => (await echoOver(connection, 1_000)).length, patience).toBe(1_000)
})

test.for(['', 'init'])('channels labelled "%s" take no memory once they have ended', { timeout }, async (label) => {
  const { connection, peerConnection } = await connect()
  for (let round = 0; round < 10; round++) {
    const channels = await Promise.all(Array.from({ length: 20 }, () => openChannel(peerConnection, label)))
    for (const channel of channels) channel.close()
  }
  // Of 200 at each end, few are in use by the connection itself.
  await expect.poll(() => queryObjects(RTCDataChannel, { format: 'count' }), patience).toBeLessThan(100)
  expect(connection.status).toBe('open')
})

test.for<[string, (channel: Channel) => void]>([
  ['text', (channel) => channel.send('text')],
  ['a frame of 4 MiB', (channel) => channel.send(Uint8Array.of(0x80, 0x80, 0x80, 0x02))],
])('a connection is cut when its peer sends %s', { timeout }, async ([, attack]) => {
  const { engine, connection, peerConnection } = await connect()
  attack(await openChannel(peerConnection))
  await expect.poll(() => engine.limitsReached.frame_flood, patience).toBe(1)
  await expect.poll(() => connection.status, patience).not.toBe('open')
})

test('garbage at the UDP port of a connection ends neither the process nor the connection', { timeout }, async () => {
  const { connection, peerConnection } = await connect()
  const remote = peerConnection.sctp?.transport.iceTransport.getSelectedCandidatePair()?.remote
  const socket = createSocket(remote?.address.includes(':') === true ? 'udp6' : 'udp4')
  onTestFinished(() => void socket.close())
  const random = createRandom(7)
  // First bytes that stand for STUN, ZRTP, TURN, DTLS and RTP (RFC 7983), and others.
  for (const first of [0, 1, 3, 16, 19, 20, 22, 23, 63, 64, 79, 128, 191, 255]) {
    for (let length = 1; length < 1_400; length = length * 2 + random.below(20)) {
      const packet = Buffer.from(Array.from({ length }, () => random.below(256)))
      packet.writeUInt8(first, 0)
      if (first < 4 && length >= 20) packet.writeUInt32BE(0x2112a442, 4)
      if (first < 4 && length >= 20) packet.writeUInt16BE(length - 20, 2)
      await new Promise((resolve) => socket.send(packet, remote?.port ?? 0, remote?.address ?? '', resolve))
    }
  }
  expect((await echoOver(connection, 100_000)).length).toBe(100_000)
})
