import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { establish } from '../../../../src/engine/custom/link/establish.ts'
import { createSecureChannel, maxSocketMessageBytes, type SecureChannel } from '../../../../src/engine/custom/link/secure-channel.ts'
import { unbounded } from '../../../fixtures/raw-peer.ts'

interface End {
  channel: SecureChannel
  frames: Buffer[]
  /** Records that came. */
  records: number
  closed: Promise<void>
}

const signal = AbortSignal.timeout(60_000)
const frameType = 2

async function open(socket: WebSocket, role: 'initiator' | 'responder'): Promise<End> {
  const established = await establish(socket, { role, seed: randomBytes(32) }, signal)
  const closed = Promise.withResolvers<void>()
  const end: Omit<End, 'channel'> = { frames: [], records: 0, closed: closed.promise }
  socket.on('message', () => end.records++)
  const channel = createSecureChannel(unbounded(1_048_576), {
    socket,
    established,
    onFrame: (_type, body) => end.frames.push(Buffer.from(body)),
    onClose: () => closed.resolve(),
  })
  channel.resume()
  return Object.assign(end, { channel })
}

/** Two ends of a channel on a socket of this host. */
async function pair(): Promise<{ a: End; b: End }> {
  const options = { maxPayload: maxSocketMessageBytes, perMessageDeflate: false }
  const server = new WebSocketServer({ ...options, port: 0, host: '127.0.0.1' })
  onTestFinished(() => server.close())
  await once(server, 'listening')
  const accepted = once(server, 'connection')
  const socket = new WebSocket(`ws://127.0.0.1:${Object(server.address()).port}`, options)
  onTestFinished(() => socket.terminate())
  await once(socket, 'open')
  const [other] = await accepted
  const [a, b] = await Promise.all([open(socket, 'initiator'), open(other, 'responder')])
  return { a, b }
}

test('what is written in one turn shares a record, and what is large takes several', async () => {
  const { a, b } = await pair()
  for (let number = 0; number < 100; number++) a.channel.write(frameType, Buffer.of(number))
  await expect.poll(() => b.frames.length).toBe(100)
  expect(b.frames.map(([number]) => number)).toEqual(Array.from({ length: 100 }, (_, number) => number))
  expect(b.records).toBe(1)
  const large = randomBytes(1_000_000)
  b.channel.write(frameType, large.subarray(0, 10), large.subarray(10))
  await expect.poll(() => a.frames.length).toBe(1)
  expect(a.frames[0]?.equals(large)).toBe(true)
  expect(a.records).toBe(Math.ceil(1_000_005 / 65_519))
})

test('goes on through new keys', async () => {
  const { a, b } = await pair()
  // A key is for 65,536 records; one record a turn.
  const count = 131_100
  for (let number = 0; number < count; number++) {
    const frame = Buffer.alloc(4)
    frame.writeUInt32BE(number)
    a.channel.write(frameType, frame)
    await Promise.resolve()
    if (number % 1_000 === 0) await nextTurn()
  }
  await expect.poll(() => b.frames.length, { timeout: 30_000 }).toBe(count)
  expect(b.records).toBe(count)
  expect(b.frames.every((frame, number) => frame.readUInt32BE() === number)).toBe(true)
})

test('tells what waits while the other end does not read, and when it has been taken', async () => {
  const { a, b } = await pair()
  b.channel.pause()
  const piece = Buffer.alloc(65_000)
  // More than the buffers of the two sockets.
  for (let number = 0; number < 300; number++) a.channel.write(frameType, piece)
  await nextTurn()
  await nextTurn()
  expect(a.channel.waitingBytes).toBeGreaterThan(1_000_000)
  await expect(a.channel.drained(0, AbortSignal.timeout(50))).rejects.toThrow()
  b.channel.resume()
  await a.channel.drained(0, signal)
  expect(a.channel.waitingBytes).toBe(0)
  await expect.poll(() => b.frames.length).toBe(300)
})

test('small frames of one socket leave every turn of the event loop room for others', async () => {
  const { a, b } = await pair()
  b.channel.pause()
  const count = 60_000
  // A record for each, which waits in the buffers of the system.
  for (let number = 0; number < count; number++) {
    a.channel.write(frameType, Buffer.of(1))
    await Promise.resolve()
  }
  b.channel.resume()
  let most = 0
  while (b.frames.length < count) {
    const before = b.frames.length
    await nextTurn()
    most = Math.max(most, b.frames.length - before)
  }
  // What one read of 64 KiB holds of records of 24 bytes.
  expect(most).toBeLessThan(6_000)
})

test.each([
  { drained: true, taken: 100 },
  { drained: false, taken: 0 },
])('takes what was sent before the other end heard its goodbye: $drained', async ({ drained, taken }) => {
  const { a, b } = await pair()
  b.channel.write(frameType, Buffer.of(0))
  await expect.poll(() => a.frames.length).toBe(1)
  for (let number = 0; number < 100; number++) b.channel.write(frameType, Buffer.of(number))
  a.channel.close({ drained })
  await b.closed
  await a.closed
  expect(a.frames.length - 1).toBe(taken)
  expect(b.channel.isOpen).toBe(false)
})
