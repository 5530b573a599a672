import { once } from 'node:events'
import { connect } from 'node:net'
import { encode } from 'cborg'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { establish, maxRecordFragments, subprotocol } from '../../../../src/engine/custom/link/establish.ts'
import { frameTypes } from '../../../../src/engine/custom/link/frame-types.ts'
import { startedCustomEngine } from '../../../fixtures/custom-engine.ts'
import { openChannel, openSocket, type Sender, urlOf } from '../../../fixtures/hostile-peer.ts'
import { createMemoryIdentity } from '../../../fixtures/memory-identity.ts'
import { helloOf } from '../../../fixtures/raw-peer.ts'

/** Handshakes and frames that no honest peer sends. */

test('who offers no subprotocol that is spoken here is told so', async () => {
  const engine = await startedCustomEngine()
  const socket = new WebSocket(await urlOf(engine))
  const [code, reason] = await once(socket, 'close')
  expect([code, String(reason)]).toEqual([1002, expect.stringContaining(subprotocol)])
})

test.each([
  ['a text message', (socket: WebSocket) => socket.send('hello')],
  ['another message than the handshake', (socket: WebSocket) => socket.send(Buffer.alloc(100, 1))],
  ['a message beyond any record', (socket: WebSocket) => socket.send(Buffer.alloc(65_536, 1))],
])('%s instead of the handshake ends the socket at once', async (_, say) => {
  const engine = await startedCustomEngine()
  const socket = await openSocket(engine)
  say(socket)
  await once(socket, 'close')
  expect(await engine.peers()).toEqual([])
})

/** A socket whose messages go in so many frames. */
function inFragments(socket: WebSocket, count: number): WebSocket {
  const send = socket.send.bind(socket)
  socket.send = (message: Buffer) => {
    for (let sent = 0; sent < count - 1; sent++) send(message.subarray(sent, sent + 1), { binary: true, fin: false })
    send(message.subarray(count - 1), { binary: true, fin: true })
  }
  return socket
}

test('a record comes in 64 frames of the WebSocket at most', async () => {
  const engine = await startedCustomEngine()
  const { seed } = await createMemoryIdentity()
  const begin = async (fragments: number) => {
    const socket = inFragments(await openSocket(engine), fragments)
    return await establish(socket, { role: 'initiator', seed }, AbortSignal.timeout(20_000))
  }
  // The first message of the handshake has 32 bytes; the rest of its frames are empty.
  await begin(maxRecordFragments)
  await expect(begin(maxRecordFragments + 1)).rejects.toThrow(/closed the link/)
})

test('so it does on a link that this node has dialled', async () => {
  const engine = await startedCustomEngine()
  const dialled = async (fragments: number) => {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
    onTestFinished(() => void server.close())
    await once(server, 'listening')
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    const { peerId, seed } = await createMemoryIdentity()
    const dial = engine.dial(`/ip4/127.0.0.1/tcp/${address.port}/ws/p2p/${peerId}`, {
      source: 'rest',
      signal: AbortSignal.timeout(20_000),
    })
    dial.catch(() => undefined)
    const [socket] = await once(server, 'connection')
    onTestFinished(() => socket.terminate())
    return await establish(inFragments(socket, fragments), { role: 'responder', seed }, AbortSignal.timeout(20_000))
  }
  await dialled(maxRecordFragments)
  await expect(dialled(maxRecordFragments + 1)).rejects.toThrow(/closed the link/)
})

test.each([
  ['a frame before the hello', (channel: Sender) => channel.write(frameTypes.ping, Buffer.alloc(8))],
  ['a hello of no version that is spoken here', (channel: Sender) => channel.write(frameTypes.hello, helloOf({ versions: [9] }))],
  ['a hello that is none', (channel: Sender) => channel.write(frameTypes.hello, Buffer.alloc(10))],
])('%s ends the link', async (_, say) => {
  const engine = await startedCustomEngine()
  const { channel, closed } = await openChannel(engine)
  say(channel)
  await closed
  expect(await engine.peers()).toEqual([])
})

test.each([
  ['a control frame that is none', (channel: Sender) => channel.write(frameTypes.control, Buffer.alloc(10))],
  ['a message that is none', (channel: Sender) => channel.write(frameTypes.message, Buffer.alloc(10))],
  ['a ping of another length', (channel: Sender) => channel.write(frameTypes.ping, Buffer.alloc(9))],
  ['a request that is none', (channel: Sender) => channel.write(frameTypes.request, Buffer.alloc(3))],
])('%s ends a link, and nothing else', async (_, say) => {
  const engine = await startedCustomEngine()
  const honest = await openChannel(engine)
  honest.channel.write(frameTypes.hello, helloOf({ instance: 'honest' }))
  const { channel, closed } = await openChannel(engine)
  channel.write(frameTypes.hello, helloOf())
  await expect.poll(async () => (await engine.peers()).length).toBe(2)
  say(channel)
  await closed
  await expect.poll(async () => (await engine.peers()).length).toBe(1)
  honest.channel.write(frameTypes.ping, Buffer.alloc(8))
  await expect.poll(() => honest.received).toContain(frameTypes.pong)
})

test.each([
  ['a piece after its end', 'whole', ['']],
  ['more than it said', 'whole', ['!']],
  ['an empty piece', 'who', ['', 'le']],
])('a request whose body has %s is worked on once at most, and ends the link', async (_, first, more) => {
  const engine = await startedCustomEngine()
  let worked = 0
  const handler = async () => {
    worked++
    await new Promise(() => undefined)
    return new Uint8Array()
  }
  await engine.handle('/test/1', handler, { maxRequestBytes: 100, maxConcurrent: 1 })
  const { channel, closed } = await openChannel(engine)
  channel.write(frameTypes.hello, helloOf())
  const id = Buffer.from([0, 0, 0, 1])
  channel.write(frameTypes.request, encode({ id: 1, protocol: '/test/1', length: 5 }))
  for (const piece of [first, ...more]) channel.write(frameTypes.requestBody, id, Buffer.from(piece))
  await closed
  expect(worked).toBe(first === 'whole' ? 1 : 0)
})

test('a frame longer than any ends the link', async () => {
  const engine = await startedCustomEngine({ limits: { maxMessageBytes: 1_000 } })
  const { socket, channel, closed } = await openChannel(engine)
  channel.write(frameTypes.hello, helloOf())
  await expect.poll(async () => (await engine.peers()).length).toBe(1)
  // The largest frame is 64 KiB at least.
  channel.write(frameTypes.message, Buffer.alloc(65_537))
  await closed
  expect(socket.readyState).not.toBe(socket.OPEN)
})

test('frames of a type that is not known yet are passed over', async () => {
  const engine = await startedCustomEngine()
  const { channel, received } = await openChannel(engine)
  channel.write(frameTypes.hello, helloOf({ later: true }))
  channel.write(200, Buffer.from('of a later version'))
  channel.write(frameTypes.ping, Buffer.alloc(8))
  await expect.poll(() => received).toContain(frameTypes.pong)
})

test.each([
  ['a hello', frameTypes.hello, 16_384],
  ['a control frame', frameTypes.control, 147_456],
  ['a ping', frameTypes.ping, 9],
  ['a request', frameTypes.request, 1_024],
  ['a piece of a body', frameTypes.requestBody, 65_541],
  ['an answer', frameTypes.answer, 256],
  ['a cancel', frameTypes.cancel, 5],
  ['a frame of a circuit', frameTypes.circuit, 1_024],
  ['a credit', frameTypes.circuitCredit, 9],
])('%s longer than any of its type ends the link before it has come', async (_, type, maxBytes) => {
  const engine = await startedCustomEngine()
  const { channel, closed } = await openChannel(engine)
  channel.write(frameTypes.hello, helloOf())
  await expect.poll(async () => (await engine.peers()).length).toBe(1)
  channel.write(type, Buffer.alloc(maxBytes))
  await closed
  await expect.poll(() => engine.peers()).toEqual([])
})

test('a frame with more items of CBOR than any has ends the link', async () => {
  const engine = await startedCustomEngine()
  const { channel, closed } = await openChannel(engine)
  channel.write(frameTypes.hello, helloOf())
  await expect.poll(async () => (await engine.peers()).length).toBe(1)
  channel.write(frameTypes.control, encode({ type: 'graft', topic: 'orders', ids: Array<number>(100_000).fill(0) }))
  await closed
})

test.each([
  ['without a subprotocol', ''],
  ['with ours', `Sec-WebSocket-Protocol: ${subprotocol}\r\n`],
])('a malformed frame behind an upgrade %s ends its socket, and nothing else', async (_, field) => {
  const engine = await startedCustomEngine({ limits: { maxInboundConnectionsPerAddress: 1_000, maxHandshakesPerSecond: 1_000 } })
  const { hostname, port } = new URL(await urlOf(engine))
  const upgrade = `GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n${field}\r\n`
  const malformed = Buffer.from([0x83, 0x00])
  const closed = Array.from({ length: 20 }, async (_each, round) => {
    const socket = connect(Number(port), hostname)
    socket.on('error', () => undefined)
    const ended = once(socket, 'close')
    // In one packet with the upgrade, and behind its answer.
    if (round % 2 === 0) socket.write(Buffer.concat([Buffer.from(upgrade), malformed]))
    else {
      socket.write(upgrade)
      await once(socket, 'data')
      socket.write(malformed)
    }
    socket.resume()
    await ended
  })
  await Promise.all(closed)
  const { channel, received } = await openChannel(engine)
  channel.write(frameTypes.hello, helloOf())
  channel.write(frameTypes.ping, Buffer.alloc(8))
  await expect.poll(() => received).toContain(frameTypes.pong)
})
