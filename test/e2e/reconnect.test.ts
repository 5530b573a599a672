import { connect, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { freePort } from '../fixtures/free-port.ts'
import { quietEnvironment, startGateway } from '../fixtures/gateway-process.ts'
import { createRest } from '../fixtures/rest.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

const clients = 10_000

/** Files that this process may have open, and those that it starts. */
function openFiles(): number {
  const limits: unknown = Object(process.report.getReport()).userLimits
  return Number(Object(Object(limits).open_files).soft)
}

/** A client of a stream, on a bare socket, since ten thousand of the usual ones would be this test's own load. */
class BareClient {
  readonly #port: number
  #socket: Socket | undefined
  /** What came so far, as text: frames of text are in it as they are. */
  received = ''
  attempts = 0

  constructor(port: number) {
    this.#port = port
  }

  /** Connects, again and again until it is served, as clients do. */
  open(): void {
    this.attempts++
    this.received = ''
    const socket = connect({ host: '127.0.0.1', port: this.#port })
    this.#socket = socket
    socket.write(
      `GET /v1/stream?topic=orders HTTP/1.1\r\nHost: 127.0.0.1:${this.#port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    )
    socket.setEncoding('latin1')
    socket.on('data', (text: string) => {
      this.received += text
    })
    socket.on('error', () => undefined)
    socket.on('close', () => {
      if (this.#socket === socket && !this.isServed) setTimeout(() => this.open(), 200 + Math.random() * 800)
    })
  }

  get isServed(): boolean {
    return this.received.includes('"caught-up"')
  }

  close(): void {
    const socket = this.#socket
    this.#socket = undefined
    socket?.destroy()
  }
}

test.skipIf(openFiles() < 1.5 * clients)(
  'ten thousand clients that come back at once are all served, and miss nothing (needs 15,000 open files)',
  { timeout: 180_000 },
  async () => {
    const port = await freePort()
    const env = {
      ...quietEnvironment(await temporaryDirectory()),
      PEERGATE_HTTP_PORT: String(port),
      PEERGATE_MAX_STREAM_CONNECTIONS: String(clients + 100),
      PEERGATE_MAX_STREAM_CONNECTIONS_PER_TOKEN: String(clients + 100),
      PEERGATE_MAX_STREAM_CONNECTIONS_PER_ADDRESS: String(clients + 100),
      PEERGATE_TOKEN_BURST: '1000000',
      PEERGATE_ADDRESS_BURST: '1000000',
    }
    const before = await startGateway(env)
    const crowd = Array.from({ length: clients }, () => new BareClient(port))
    onTestFinished(() => {
      for (const client of crowd) client.close()
    })
    const unserved = () => crowd.filter((client) => !client.isServed).length
    for (const client of crowd) client.open()
    await expect.poll(unserved, { timeout: 60_000, interval: 200 }).toBe(0)
    await before.end('SIGKILL')
    const after = await startGateway(env)
    onTestFinished(async () => {
      await after.end('SIGKILL')
    })
    for (const client of crowd) client.open()
    // Other work goes on meanwhile: it may be told to wait, but not be left without an answer.
    const rest = createRest(after.url)
    expect([200, 503]).toContain((await rest.call('GET', '/v1/node')).status)
    await expect.poll(unserved, { timeout: 60_000, interval: 200 }).toBe(0)
    await expect.poll(async () => (await rest.call('POST', '/v1/topics/orders/messages', { data: 'to everybody' })).status).toBe(201)
    await expect
      .poll(() => crowd.filter(({ received }) => !received.includes('to everybody')).length, { timeout: 30_000, interval: 200 })
      .toBe(0)
    // They did come at once.
    expect(crowd.reduce((sum, { attempts }) => sum + attempts, 0)).toBeGreaterThanOrEqual(2 * clients)
  },
)
