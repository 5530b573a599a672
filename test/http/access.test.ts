import { once } from 'node:events'
import { expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { type AppForTest, appForTest } from './app-for-test.ts'

const app = { allowedHosts: ['Gateway.example', 'proxy.example:8443', '::1'], allowedOrigins: ['https://app.example'] }

/** The status that an upgrade with these headers is answered with. */
async function upgrade(gateway: AppForTest, headers: Record<string, string>): Promise<number | undefined> {
  const address = gateway.app.server.address()
  if (address === null || typeof address === 'string') throw new Error('not listening')
  const socket = new WebSocket(`ws://127.0.0.1:${address.port}/v1/stream`, { headers })
  const status = await Promise.race([
    once(socket, 'open').then(() => 101),
    new Promise<number | undefined>((resolve) => socket.once('unexpected-response', (_request, response) => resolve(response.statusCode))),
  ])
  socket.on('error', () => undefined)
  socket.terminate()
  return status
}

test.each([
  ['localhost', true],
  ['LocalHost:7070', true],
  ['127.0.0.1:1', true],
  ['[::1]', true],
  ['[::1]:7070', true],
  ['gateway.example', true],
  ['gateway.EXAMPLE:80', true],
  ['proxy.example:8443', true],
  ['proxy.example', false],
  ['proxy.example:443', false],
  ['evil.example', false],
  ['localhost.evil.example', false],
  ['evil.example:localhost', false],
  ['localhost.', false],
  ['localhost:80:80', false],
  ['localhost:', false],
  ['user@localhost', false],
  ['localhost, evil.example', false],
  ['127.0.0.2', false],
  ['::1', false],
  ['0.0.0.0', false],
])('Host %s: served %s, streams too', async (host, served) => {
  const gateway = await appForTest(app)
  const answer = await gateway.call('GET', '/v1/node', { headers: { host } })
  expect(answer.status).toBe(served ? 200 : 421)
  if (!served) expect(answer.body.code).toBe('host_not_allowed')
  expect(await upgrade(gateway, { host })).toBe(served ? 101 : 421)
  expect((await gateway.call('GET', '/healthz', { headers: { host } })).status).toBe(200)
  expect(gateway.accepted).toHaveLength(served ? 1 : 0)
})

test.each([
  ['http://localhost:7070', 'localhost:7070', true],
  ['https://app.example', 'localhost:7070', true],
  ['http://app.example', 'localhost:7070', false],
  ['https://app.example:8443', 'localhost:7070', false],
  ['https://sub.app.example', 'localhost:7070', false],
  ['https://app.example.evil.example', 'localhost:7070', false],
  ['http://localhost:8080', 'localhost:7070', false],
  ['http://localhost', 'localhost:7070', false],
  ['https://localhost:7070', 'localhost:7070', false],
  ['http://127.0.0.1:7070', 'localhost:7070', false],
  ['null', 'localhost:7070', false],
  ['', 'localhost:7070', false],
  ['file://', 'localhost:7070', false],
])('Origin %s at Host %s: served %s, streams too', async (origin, host, served) => {
  const gateway = await appForTest(app)
  for (const method of ['GET', 'PUT']) {
    const answer = await gateway.call(method, '/v1/topics/orders', { headers: { origin, host } })
    expect(answer.body.code === 'origin_not_allowed').toBe(!served)
    if (!served) expect(answer).toMatchObject({ status: 403, headers: { 'content-type': 'application/problem+json; charset=utf-8' } })
  }
  expect(await gateway.store.topics.joined()).toEqual(served ? ['orders'] : [])
  expect(await upgrade(gateway, { origin, host })).toBe(served ? 101 : 403)
})

test('an invited origin gets CORS, on errors too, and its own name only', async () => {
  const { call } = await appForTest(app)
  const headers = { origin: 'https://app.example' }
  for (const path of ['/v1/node', '/v1/topics/nowhere', '/nowhere']) {
    expect((await call('GET', path, { headers })).headers).toMatchObject({
      'access-control-allow-origin': 'https://app.example',
      'access-control-allow-credentials': 'true',
      'access-control-expose-headers': expect.stringContaining('location'),
      vary: expect.stringMatching(/^Origin(, accept-encoding)?$/),
    })
  }
  expect((await call('GET', '/v1/node')).headers).not.toHaveProperty('access-control-allow-origin')
  const own = await call('GET', '/v1/node', { headers: { origin: 'http://localhost', host: 'localhost' } })
  expect(own.headers).not.toHaveProperty('access-control-allow-origin')
  expect(own.headers).not.toHaveProperty('access-control-allow-credentials')
})

test('answers the preflight of an invited origin, and of nobody else', async () => {
  const { app: server } = await appForTest(app)
  const preflight = (origin: string) =>
    server.inject({
      method: 'OPTIONS',
      url: '/v1/topics/orders/messages',
      headers: { host: 'localhost', origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' },
    })
  expect(await preflight('https://app.example')).toMatchObject({
    statusCode: 204,
    headers: {
      'access-control-allow-origin': 'https://app.example',
      'access-control-allow-credentials': 'true',
      'access-control-allow-methods': expect.stringContaining('POST'),
      'access-control-allow-headers': expect.stringContaining('content-type'),
    },
  })
  expect((await preflight('https://evil.example')).statusCode).toBe(403)
})

test.each([
  ['PUT', 'cross-site', 403],
  ['PUT', 'same-site', 403],
  ['PUT', 'same-origin', 201],
  ['PUT', 'none', 201],
  ['GET', 'cross-site', 404],
])('%s with Sec-Fetch-Site %s and no Origin answers %d', async (method, site, status) => {
  const { call } = await appForTest(app)
  expect((await call(method, '/v1/topics/orders', { headers: { 'sec-fetch-site': site } })).status).toBe(status)
})

test('every answer keeps browsers from guessing, keeping and embedding', async () => {
  const { call } = await appForTest(app)
  for (const [method, path] of [
    ['GET', '/v1/node'],
    ['GET', '/nowhere'],
    ['DELETE', '/v1/node'],
    ['GET', '/v1/topics/%ff'],
    ['GET', '/healthz'],
  ] as const) {
    expect((await call(method, path)).headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
      'cross-origin-resource-policy': 'same-origin',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    })
  }
})
