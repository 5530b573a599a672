import { once } from 'node:events'
import { connect } from 'node:net'
import type { Stream } from '@libp2p/interface'
import { defaultLogger } from '@libp2p/logger'
import { multiaddr } from '@multiformats/multiaddr'
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { endpointOf } from '../../../src/engine/dial/endpoint.ts'
import { createNegotiations } from '../../../src/engine/libp2p/transport/negotiations.ts'
import { WebSocketConnection } from '../../../src/engine/libp2p/transport/websocket-connection.ts'
import { type HostileLibp2pPeer, hostileLibp2pPeer } from '../../fixtures/hostile-libp2p-peer.ts'
import { startedLibp2pEngine } from '../../fixtures/libp2p-engine.ts'

// No time passes in which a budget grows.
beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }))
afterEach(() => void vi.useRealTimers())

const header = Buffer.from('\x13/multistream/1.0.0\n')
/** What a peer that negotiates proposes, and is answered with `na`; `ls` asks for the protocols that are spoken. */
const proposals = (count: number, proposal = '/x') =>
  Buffer.concat([header, Buffer.from(`${String.fromCharCode(proposal.length + 1)}${proposal}\n`.repeat(count))])

/** Counts answers, which each end with a line break. */
function counting(): { answers: number; take(data: { toString(encoding: 'latin1'): string }): void } {
  const counted = {
    answers: 0,
    take(data: { toString(encoding: 'latin1'): string }) {
      counted.answers += data.toString('latin1').split('na\n').length - 1
    },
  }
  return counted
}

/** A connection that nobody has encrypted. */
interface Bare {
  send(bytes: Buffer): void
  closed: Promise<unknown>
  counted: ReturnType<typeof counting>
}

async function overTcp(host: string, port: number): Promise<Bare> {
  const socket = connect({ host, port })
  socket.on('error', () => undefined)
  onTestFinished(() => void socket.destroy())
  const counted = counting()
  socket.on('data', counted.take)
  await once(socket, 'connect')
  return { send: (bytes) => void socket.write(bytes), closed: new Promise((resolve) => socket.once('close', resolve)), counted }
}

async function overWebSocket(host: string, port: number): Promise<Bare> {
  const socket = new WebSocket(`ws://${host}:${port}`)
  socket.on('error', () => undefined)
  onTestFinished(() => socket.terminate())
  const counted = counting()
  socket.on('message', (data: Buffer) => counted.take(data))
  await once(socket, 'open')
  return { send: (bytes) => socket.send(bytes), closed: new Promise((resolve) => socket.once('close', resolve)), counted }
}

test.each([
  ['TCP', '/ip4/127.0.0.1/tcp/0', overTcp],
  ['a WebSocket', '/ip4/127.0.0.1/tcp/0/ws', overWebSocket],
])(
  'over %s, a stranger that proposes encryptions without end is answered a few times, and one that proposes some is not disconnected',
  async (_, listen, open) => {
    const engine = await startedLibp2pEngine({ listen: [listen] })
    const { name = '', port = 0 } = endpointOf(multiaddr((await engine.multiaddrs())[0] ?? '')) ?? {}
    const honest = await open(name, port)
    honest.send(proposals(20))
    await expect.poll(() => honest.counted.answers).toBe(20)
    const hostile = await open(name, port)
    hostile.send(proposals(10_000))
    await hostile.closed
    expect(hostile.counted.answers).toBeLessThan(100)
    expect(engine.limitsReached.frame_flood).toBe(1)
    honest.send(Buffer.from('\x03/x\n'))
    await expect.poll(() => honest.counted.answers).toBe(21)
  },
)

test.each([0, 1])('over a WebSocket, messages of %s bytes without end end the connection, and some do not', async (bytes) => {
  const engine = await startedLibp2pEngine({ listen: ['/ip4/127.0.0.1/tcp/0/ws'], limits: { dialTimeoutMs: 600_000 } })
  const { name = '', port = 0 } = endpointOf(multiaddr((await engine.multiaddrs())[0] ?? '')) ?? {}
  const honest = await overWebSocket(name, port)
  for (let sent = 0; sent < 500; sent++) honest.send(bytes === 0 ? Buffer.alloc(0) : Buffer.from('\x03/x\n'.charAt(sent % 4)))
  if (bytes === 0) honest.send(proposals(1))
  await expect.poll(() => honest.counted.answers).toBeGreaterThan(0)
  const hostile = await overWebSocket(name, port)
  // The length of a handshake message of 65,535 bytes.
  hostile.send(Buffer.from('\x13/multistream/1.0.0\n\x07/noise\n\xff\xff', 'latin1'))
  for (let sent = 0; sent < 5_000; sent++) hostile.send(Buffer.alloc(bytes))
  await hostile.closed
  honest.send(Buffer.from('\x03/x\n'))
})

test('over a WebSocket, a small message for each larger one, as js-libp2p sends the length of a frame, ends no connection', async () => {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  const client = new WebSocket(`ws://127.0.0.1:${Object(server.address()).port}`)
  onTestFinished(() => client.terminate())
  const [socket]: WebSocket[] = await once(server, 'connection')
  if (socket === undefined) return expect.unreachable()
  const log = defaultLogger().forComponent('test')
  const connection = new WebSocketConnection({ remoteAddr: multiaddr('/ip4/127.0.0.1/tcp/1/ws'), direction: 'inbound', log }, socket)
  let bytes = 0
  connection.addEventListener('message', ({ data }) => {
    bytes += data.byteLength
  })
  if (client.readyState !== client.OPEN) await once(client, 'open')
  for (let frame = 0; frame < 5_000; frame++) {
    client.send(Buffer.alloc(2))
    client.send(Buffer.alloc(18))
  }
  await expect.poll(() => bytes).toBe(5_000 * 20)
  expect(connection.status).toBe('open')
  // What it has left of larger ones, and the burst.
  for (let sent = 0; sent < 2_001; sent++) client.send(Buffer.alloc(2))
  await expect.poll(() => connection.status).toBe('aborted')
})

test('a handshake in a thousand pieces ends the connection', () => {
  const taken: unknown[] = []
  let isOpen = true
  const connection = {
    get status() {
      return isOpen ? ('open' as const) : ('aborted' as const)
    },
    send: () => true,
    onData: (data: unknown) => void taken.push(data),
    abort: () => {
      isOpen = false
    },
  }
  let floods = 0
  const negotiations = createNegotiations({ onFlood: () => floods++ })
  negotiations.begin(connection)
  for (let piece = 0; piece < 2_000; piece++) connection.onData(piece)
  expect([taken.length, isOpen, floods]).toEqual([1_024, false, 1])
  negotiations.end(connection)
  connection.onData('later')
  expect(taken.at(-1)).toBe('later')
})

/** Opens a stream without a protocol. */
async function openStream({ connection }: HostileLibp2pPeer, say: Buffer): Promise<Stream> {
  const muxer: { createStream(options: object): Promise<Stream> } = Reflect.get(connection, 'muxer')
  const stream = await muxer.createStream({})
  stream.send(say)
  return stream
}

test.each(['/x', 'ls'])('a stream whose opener says %s without end ends, and the link does when there are many', async (proposal) => {
  const engine = await startedLibp2pEngine({ listen: ['/ip4/127.0.0.1/tcp/0'] })
  const [address = ''] = await engine.multiaddrs()
  const [honest, hostile] = [await hostileLibp2pPeer(address), await hostileLibp2pPeer(address)]
  await expect.poll(async () => (await engine.peers()).length).toBe(2)
  const kept = await openStream(honest, proposals(20, proposal))
  const ended = await openStream(hostile, proposals(1_000, proposal))
  await expect.poll(() => ended.status).not.toBe('open')
  expect(engine.limitsReached.frame_flood).toBe(1)
  for (let count = 0; count < 40; count++) await openStream(hostile, proposals(50, proposal)).catch(() => undefined)
  await expect.poll(async () => (await engine.peers()).length).toBe(1)
  expect(engine.limitsReached.frame_flood).toBe(2)
  expect([kept.status, honest.below.status]).toEqual(['open', 'open'])
})
