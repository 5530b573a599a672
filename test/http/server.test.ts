import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { createEndings } from '../../src/access/endings.ts'
import { createRates } from '../../src/access/rates.ts'
import { createDht } from '../../src/dht/dht.ts'
import { createNoRouting } from '../../src/engine/no-routing.ts'
import { Overloaded } from '../../src/errors.ts'
import { createByteRooms } from '../../src/http/byte-room.ts'
import { createHttpServer, type HttpServer } from '../../src/http/server.ts'
import { defaultLimits } from '../../src/limits.ts'
import { fullGrant } from '../../src/model/grant.ts'
import { silentLog } from '../fixtures/log.ts'
import { appForTest } from './app-for-test.ts'

const absent = async (): Promise<never> => {
  throw new Error('not part of this test')
}

function server(init: { port?: number; publish?: () => Promise<never> } = {}): HttpServer {
  const { port = 0, publish = absent } = init
  const http = createHttpServer(
    { host: '127.0.0.1', port, allowedHosts: [], allowedOrigins: [], trustedProxies: [], limits: defaultLimits },
    {
      node: absent,
      diagnosis: { findings: absent, sawForwarding: () => undefined },
      gateways: { list: absent },
      access: { admit: async () => fullGrant('test'), admitSession: absent },
      endings: createEndings(),
      rates: createRates({ limits: defaultLimits }),
      ...createByteRooms({ limits: defaultLimits }),
      tokens: { create: absent, createOnce: absent, page: absent, get: absent, rename: absent, revoke: absent },
      sessions: { open: absent, close: absent },
      audit: { note: absent, list: absent },
      peers: { list: absent, get: absent, dial: absent, dialPeer: absent, hangUp: absent, forget: absent, ping: absent, annotate: absent },
      topics: { join: absent, joins: absent, leave: absent, list: absent, get: absent, retain: absent, read: absent, require: absent },
      dht: createDht({ limits: defaultLimits, peerId: '' }, { routing: createNoRouting() }),
      retention: { purge: absent, delete: absent },
      history: { page: absent, get: absent, locate: absent, resolve: absent },
      publisher: { check: () => undefined, enqueue: publish },
      consumers: {
        ...{ epoch: '', create: absent, list: absent, get: absent, state: absent, configure: absent, remove: absent, pull: absent },
        ...{ settle: absent, parked: absent, replay: absent },
      },
      deliveries: { send: absent, list: absent, get: absent, cancel: absent },
      services: { request: absent, list: () => ({ items: [], next: null }) },
      validators: { list: () => ({ items: [], next: null }) },
      stream: { admit: () => undefined, refuse: () => undefined, accept: () => undefined, acceptEvents: absent, acceptDurable: absent },
      webhooks: {
        ...{ create: absent, list: absent, get: absent, change: absent },
        ...{ remove: absent, rotate: absent, test: absent, attempts: absent },
      },
      probes: {
        started: () => true,
        draining: () => false,
        store: { position: absent },
        writes: { failure: undefined },
        damaged: () => false,
      },
      metrics: { request: () => undefined, text: absent, contentType: '' },
      logger: silentLog,
    },
  )
  onTestFinished(() => http.stop())
  return http
}

/** Sends bytes; answers everything that comes back until the connection ends. */
async function raw(http: HttpServer, bytes: string): Promise<string> {
  const socket = connect(Number(new URL(http.url).port), '127.0.0.1')
  socket.setEncoding('utf8')
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk
  })
  socket.write(bytes)
  await once(socket, 'close')
  return text
}

test('shows where it listens, starts again after a stop, and stops twice', async () => {
  const http = server()
  expect(http.url).toBe('')
  for (let round = 0; round < 2; round++) {
    await http.start()
    expect(http.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    expect((await fetch(`${http.url}/healthz`)).status).toBe(200)
    await http.stop()
    await http.stop()
  }
})

test('leaves nothing behind when the port is taken', async () => {
  const first = server()
  await first.start()
  const second = server({ port: Number(new URL(first.url).port) })
  await expect(second.start()).rejects.toThrow(/EADDRINUSE/)
  expect(second.url).toBe('')
})

test.each([
  ['nonsense\r\n\r\n', '400', 'invalid_request'],
  ['GET / HTTP/1.1\r\nHost: localhost\r\nBad Header: x\r\n\r\n', '400', 'invalid_request'],
  [
    'POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    '400',
    'invalid_request',
  ],
  [`GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, '431', 'headers_too_large'],
  [`GET /${'x'.repeat(20_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`, '431', 'headers_too_large'],
  ['GET /v1/node HTTP/1.1\r\nConnection: close\r\n\r\n', '400', 'invalid_request'],
  ['GET /v1/node HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n', '400', 'invalid_request'],
  ['GET /healthz HTTP/1.1\r\nHost: localhost\r\nhost: localhost\r\nConnection: close\r\n\r\n', '400', 'invalid_request'],
  [
    'GET /v1/stream HTTP/1.1\r\nHost: localhost\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
    '400',
    'invalid_request',
  ],
])('answers %j with a problem document', async (bytes, status, code) => {
  const http = server()
  await http.start()
  const answer = await raw(http, bytes)
  expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
  expect(answer).toContain('application/problem+json')
  expect(answer).toContain(`"code":"${code}"`)
})

test('a request with an expectation that is not known is served and counted like any other', async () => {
  const { app } = await appForTest({ limits: { addressRate: 1, addressBurst: 5 } })
  const address = app.server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const socket = connect(address.port, '127.0.0.1')
  const bytes = 'GET /docs HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: a miracle\r\n\r\n'
  socket.end(`${bytes.repeat(5)}${bytes.replace('Host', 'Connection: close\r\nHost')}`)
  const answers = (await socket.setEncoding('utf8').toArray()).join('')
  expect(answers.match(/HTTP\/1\.1 \d+/g)).toEqual([...Array(5).fill('HTTP/1.1 200'), 'HTTP/1.1 429'])
})

test('does not wait for connections that are idle, also those that have become so only now, nor for those that never ask', async () => {
  const asked = Promise.withResolvers<void>()
  const http = server({
    publish: async () => {
      asked.resolve()
      await delay(200)
      throw new Overloaded('Too much.', { retryAfterMs: 1_000 })
    },
  })
  await http.start()
  const agent = new Agent({ keepAlive: true })
  onTestFinished(() => agent.destroy())
  const silent = connect(Number(new URL(http.url).port), '127.0.0.1')
  onTestFinished(() => void silent.destroy())
  await once(silent, 'connect')
  const post = request(`${http.url}/v1/topics/orders/messages`, { method: 'POST', agent, headers: { 'content-type': 'application/json' } })
  post.end('{"data":"x"}')
  const answered = once(post, 'response')
  await asked.promise
  const stopped = http.stop()
  const [answer] = await answered
  expect(answer.statusCode).toBe(503)
  answer.resume()
  await stopped
})

test('finishes what was asked before it stops', async () => {
  const asked = Promise.withResolvers<void>()
  const answered = Promise.withResolvers<never>()
  const http = server({
    publish: () => {
      asked.resolve()
      return answered.promise
    },
  })
  await http.start()
  const request = fetch(`${http.url}/v1/topics/orders/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"data":""}',
  })
  await asked.promise
  const stopped = http.stop()
  answered.reject(new Error('for the test'))
  expect((await request).status).toBe(500)
  await stopped
})
