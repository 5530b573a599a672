import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { type AppForTest, type AppOverrides, appForTest } from './app-for-test.ts'

/** Connects to an app, writes a head, and resolves with the status of its answer. */
async function open(head: string[], overrides: AppOverrides = {}): Promise<{ socket: Socket; status: string; call: AppForTest['call'] }> {
  const { app, call } = await appForTest(overrides)
  const address = app.server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const socket = connect(address.port, '127.0.0.1')
  socket.on('error', () => undefined)
  onTestFinished(() => void socket.destroy())
  socket.write([...head, 'Host: 127.0.0.1', '', ''].join('\r\n'))
  const [answer] = await once(socket, 'data')
  socket.resume()
  return { socket, status: String(answer).slice(9, 12), call }
}

/** Writes pieces until the connection ends; returns how many were written. */
async function writeUntilClosed(socket: Socket, piece: string, most: number): Promise<number> {
  const closed = new Promise((resolve) => socket.once('close', resolve))
  let written = 0
  for (; written < most && !socket.destroyed; written++)
    if (!socket.write(piece)) await Promise.race([new Promise((resolve) => socket.once('drain', resolve)), closed])
  await closed
  return written
}

const inBytes = '1\r\na\r\n'.repeat(1_000)

test.each([
  ['a request that needs none', ['GET /healthz HTTP/1.1'], '200'],
  ['a request of an unknown path', ['POST /nothing HTTP/1.1', 'Content-Type: application/json'], '404'],
  ['a path that is not well-formed', ['POST /%ff HTTP/1.1', 'Content-Type: application/json'], '400'],
  ['a part of a path that is too long', [`DELETE /v1/topics/${'x'.repeat(4_000)} HTTP/1.1`], '414'],
  ['a type that is refused', ['POST /v1/topics HTTP/1.1', 'Content-Type: text/plain'], '415'],
])('the endless body of %s ends its connection', async (_what, head, expected) => {
  const { socket, status } = await open([...head, 'Transfer-Encoding: chunked'], { limits: { maxBodyBytes: 3_000_000 } })
  expect(status).toBe(expected)
  // Some megabytes are in buffers of the system. Without the price of a piece it would be 18 MB.
  expect((await writeUntilClosed(socket, inBytes, 100_000)) * inBytes.length).toBeLessThan(12_000_000)
})

test.each(['Transfer-Encoding: chunked', 'Content-Length: 1000000'])(
  'a body that is refused for its type, and given up by its client, ends nothing else (%s)',
  async (length) => {
    const { socket, status, call } = await open(['POST /v1/topics HTTP/1.1', 'Content-Type: text/plain', length])
    expect(status).toBe('415')
    socket.write(length.startsWith('T') ? inBytes : 'a'.repeat(100_000))
    socket.resetAndDestroy()
    expect((await call('GET', '/healthz')).status).toBe(200)
  },
)

test('the body of a refused request is charged to its address as it comes', async () => {
  const limits = { addressRate: 1, addressBurst: 20, tokenBurst: 20 }
  const length = 1_400_000
  const { socket } = await open(['DELETE /v1/topics/x HTTP/1.1', `Content-Length: ${length}`], { limits })
  await writeUntilClosed(socket, 'a'.repeat(10_000), 139)
})

test('a connection continues after a refused request whose body comes to its end', async () => {
  const body = 'a'.repeat(1_000_000)
  const { socket, status } = await open(['POST /nothing HTTP/1.1', 'Content-Type: application/json', `Content-Length: ${body.length}`])
  expect(status).toBe('404')
  socket.write(`${body}GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`)
  const [answer] = await once(socket, 'data')
  expect(String(answer)).toMatch(/^HTTP\/1\.1 200 /)
})
