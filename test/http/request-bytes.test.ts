import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import fastify from 'fastify'
import { expect, onTestFinished, test } from 'vitest'
import { costOfBytes } from '../../src/access/rates.ts'
import { readBodies } from '../../src/http/body.ts'
import { createByteRoom } from '../../src/http/byte-room.ts'
import { countRequestBytes } from '../../src/http/request-bytes.ts'

const bodyLimit = 200_000
const roomBytes = 10_000_000
const chunkBytes = 10_000

/** A server with one route, which answers when the test says so, and what the bodies of its requests cost. */
async function serverForTest() {
  const app = fastify({ bodyLimit })
  const requestBytes = createByteRoom({ max: roomBytes, largest: bodyLimit, limits: { clientSharePercent: 100 }, full: 'full' })
  const held: number[] = []
  const charged: number[] = []
  const answer = Promise.withResolvers<string>()
  const take = (_client: unknown, cost: number) => void charged.push(cost)
  const rates = { take } as unknown as Parameters<typeof countRequestBytes>[1]['rates']
  readBodies(app, { rates })
  countRequestBytes(app, { requestBytes, rates })
  app.post('/', async () => {
    held.push(requestBytes.bytes)
    return await answer.promise
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  onTestFinished(async () => {
    answer.resolve('')
    await app.close()
  })
  const address = app.server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const { port } = address
  async function send(...headers: string[]): Promise<{ socket: Socket; status(): number }> {
    const socket = connect(port, '127.0.0.1')
    onTestFinished(() => void socket.destroy())
    let received = ''
    socket
      .on('error', () => undefined)
      .on('data', (data) => {
        received += data.toString('latin1')
      })
    await once(socket, 'connect')
    socket.write(`${['POST / HTTP/1.1', 'Host: x', 'Content-Type: application/json', ...headers].join('\r\n')}\r\n\r\n`)
    return { socket, status: () => Number(/^HTTP\/1\.1 (\d{3})/.exec(received)?.[1] ?? 0) }
  }
  return { send, answer, held, requestBytes, cost: () => charged.reduce((sum, each) => sum + each, 0) }
}

const chunk = `${chunkBytes.toString(16)}\r\n${' '.repeat(chunkBytes)}\r\n`
/** JSON with spaces before it, `count` chunks in all. */
const chunks = (count: number) => `${chunk.repeat(count)}2\r\n{}\r\n0\r\n\r\n`

test('the bytes of a body are held from its head to its answer', async () => {
  const { send, answer, held, requestBytes } = await serverForTest()
  const { socket, status } = await send('Content-Length: 50000')
  await expect.poll(() => requestBytes.bytes).toBeGreaterThan(50_000)
  socket.write(`${' '.repeat(49_998)}{}`)
  await expect.poll(() => held).toEqual([requestBytes.bytes])
  answer.resolve('')
  await expect.poll(status).toBe(200)
  await expect.poll(() => requestBytes.bytes).toBe(0)
})

test('of a chunked body the bytes that have come are held, of which the last few count too', async () => {
  const { send, answer, held, requestBytes, cost } = await serverForTest()
  const { socket, status } = await send('Transfer-Encoding: chunked')
  socket.write(chunks(5))
  await expect.poll(() => held).toHaveLength(1)
  expect(held[0]).toBeGreaterThan(50_000)
  expect(held[0]).toBeLessThan(150_000)
  // 50,002 bytes and six chunks, of which each has an overhead of 512.
  expect(cost()).toBe(costOfBytes(50_002 + 6 * 512))
  answer.resolve('')
  await expect.poll(status).toBe(200)
  await expect.poll(() => requestBytes.bytes).toBe(0)
})

test('a body of many chunks takes little more room than it has bytes', async () => {
  const { send, held } = await serverForTest()
  const { socket } = await send('Transfer-Encoding: chunked')
  socket.write(chunks(18))
  await expect.poll(() => held).toHaveLength(1)
  expect(held[0]).toBeGreaterThan(180_000)
  expect(held[0]).toBeLessThan(bodyLimit + 50_000)
})

test('the bytes of a body with a length are charged by others: here its packets are', async () => {
  const { send, held, cost } = await serverForTest()
  const { socket } = await send('Content-Length: 100000')
  socket.write(`${' '.repeat(99_998)}{}`)
  await expect.poll(() => held).toHaveLength(1)
  expect(cost()).toBeLessThan(costOfBytes(100_000))
})

test('a body beyond the limit takes no room, and is refused', async () => {
  const { send, held, requestBytes } = await serverForTest()
  const { status } = await send(`Content-Length: ${2 * roomBytes}`)
  await expect.poll(status).toBe(413)
  expect(requestBytes.bytes).toBe(0)
  expect(held).toEqual([])
})

test('a chunked body beyond the limit is refused, its rest is read, and a longer one is cut', async () => {
  const { send, held } = await serverForTest()
  const { socket, status } = await send('Transfer-Encoding: chunked')
  socket.write(chunks(30))
  await expect.poll(status).toBe(413)
  expect(held).toEqual([])
  const long = await send('Transfer-Encoding: chunked')
  expect(await isCutWithin(1_000, long.socket, chunk)).toBe(true)
  // 100,000 bytes would still be read, but in chunks of one they have an overhead.
  const inBytes = await send('Transfer-Encoding: chunked')
  inBytes.socket.write(chunk.repeat(21))
  expect(await isCutWithin(100, inBytes.socket, '1\r\n \r\n'.repeat(1_000))).toBe(true)
})

/** Writes the text that many times, and answers whether the connection was cut. */
async function isCutWithin(times: number, socket: Socket, text: string): Promise<boolean> {
  const closed = once(socket, 'close').catch(() => undefined)
  for (let written = 0; written < times && !socket.destroyed; written++) {
    if (!socket.write(text)) await Promise.race([once(socket, 'drain').catch(() => undefined), closed])
    await nextTurn()
  }
  return socket.destroyed
}
