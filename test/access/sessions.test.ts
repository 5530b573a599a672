import { SignJWT } from 'jose'
import { expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { defaultLimits } from '../../src/limits.ts'
import { loopbackHttp } from '../fixtures/gateway-pair.ts'
import { createMemoryDisk, createMemoryStore } from '../fixtures/memory-store.ts'
import { createStoppedTime } from '../fixtures/stopped-time.ts'
import { openStream } from '../fixtures/stream-client.ts'
import { type Answer, adminToken, gatewayWithTokens, noJwt } from './gateway-with-tokens.ts'

const origin = 'https://app.example'
const fromPage = { 'sec-fetch-site': 'same-origin' }

/** What the answer has the browser keep, as it sends it. */
function cookieOf(answer: Pick<Answer, 'headers'>): string {
  return answer.headers.getSetCookie()[0]?.split(';')[0] ?? ''
}

/** A gateway, a disk to look at, and how to call with a cookie. */
async function setUp(init: Parameters<typeof gatewayWithTokens>[0] = {}) {
  const disk = createMemoryDisk()
  const party = await gatewayWithTokens({ store: createMemoryStore(disk), http: { ...loopbackHttp, allowedOrigins: [origin] }, ...init })
  const { call } = party
  const openSession = async (token: string) => cookieOf(await call('POST', '/v1/session', { token }))
  const ask = async (cookie: string, headers: Record<string, string> = fromPage) =>
    (await call('GET', '/v1/node', { headers: { cookie, ...headers } })).status
  return { ...party, disk, openSession, ask }
}

test('a session has a secret of its own, kept as a hash, and counts for pages that may use the gateway only', async () => {
  const { call, tokenFor, gateway, disk, ask } = await setUp()
  const { secret } = await tokenFor(['read'])
  const opened = await call('POST', '/v1/session', { token: secret })
  expect(opened.status).toBe(204)
  expect(opened.headers.getSetCookie()).toEqual([
    expect.stringMatching(/^peergate=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=4\d{4}$/),
  ])
  const cookie = cookieOf(opened)
  expect(cookie).not.toContain(secret)
  expect(disk.sessions.size).toBe(1)
  expect(JSON.stringify([...disk.sessions.values()])).not.toContain(cookie.split('=')[1])
  expect(await ask(`other=1; ${cookie}`, { origin })).toBe(200)
  expect(await ask(cookie, { origin: gateway.url })).toBe(200)
  expect(await ask(cookie, { 'sec-fetch-site': 'same-origin' })).toBe(200)
  expect(await ask(cookie, {})).toBe(401)
  expect(await ask(cookie, { 'sec-fetch-site': 'cross-site' })).toBe(401)
  expect(await ask(cookie, { origin: 'https://evil.example' })).toBe(403)
})

test('a session is no token, and a token no session', async () => {
  const { call, openSession, ask, gateway } = await setUp()
  const session = (await openSession(adminToken)).split('=')[1] ?? ''
  expect((await call('GET', '/v1/node', { token: session })).body.code).toBe('invalid_token')
  expect(await ask(`peergate=${adminToken}`)).toBe(401)
  await using stream = await openStream(gateway.url, { headers: { authorization: `Bearer ${adminToken}` } })
  stream.send({ type: 'auth', id: 1, token: session })
  expect(await stream.expect('error')).toMatchObject({ id: 1, code: 'invalid_token' })
})

test('a session allows what its token does, and ends with it, and its streams too', async () => {
  const { call, tokenFor, gateway, disk, openSession, ask } = await setUp()
  const { id, secret } = await tokenFor(['read'], ['orders'])
  const cookie = await openSession(secret)
  const headers = { cookie, ...fromPage }
  expect((await call('GET', '/v1/topics/news/messages', { headers })).body.code).toBe('forbidden')
  await using stream = await openStream(gateway.url, { query: '?topic=orders', headers })
  await stream.expect('subscribed')
  const events = await fetch(`${gateway.url}/v1/events?topic=orders`, { headers })
  expect(events.status).toBe(200)
  await call('DELETE', `/v1/tokens/${id}`, { token: adminToken })
  expect(await stream.closed).toBe(4503)
  await expect(events.text()).rejects.toThrow()
  expect(await ask(cookie)).toBe(401)
  expect(disk.sessions.size).toBe(0)
})

test('a session that is ended is refused, and its streams are closed; its token and other sessions stay', async () => {
  const { call, tokenFor, gateway, openSession, ask } = await setUp()
  const { secret } = await tokenFor(['read'])
  const [cookie, other] = [await openSession(secret), await openSession(secret)]
  await using stream = await openStream(gateway.url, { headers: { cookie, ...fromPage } })
  await using staying = await openStream(gateway.url, { headers: { cookie: other, ...fromPage } })
  const ended = await call('DELETE', '/v1/session', { headers: { cookie, ...fromPage } })
  expect([ended.status, ended.headers.getSetCookie()]).toEqual([204, ['peergate=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0']])
  expect(await stream.closed).toBe(4503)
  expect([await ask(cookie), await ask(other)]).toEqual([401, 200])
  staying.send({ type: 'ping', id: 1 })
  await staying.expect('pong')
  expect((await call('GET', '/v1/node', { token: secret })).status).toBe(200)
  expect((await call('DELETE', '/v1/session', { headers: { cookie: 'peergate=x', ...fromPage } })).status).toBe(204)
})

test('a session expires, with its streams', async () => {
  const { gateway, call, openSession, ask } = await setUp({ limits: { ...defaultLimits, sessionMs: 1_000 } })
  const cookie = await openSession(adminToken)
  await using stream = await openStream(gateway.url, { headers: { cookie, ...fromPage } })
  expect(await stream.closed).toBe(4100)
  expect(await ask(cookie)).toBe(401)
  const headers = { cookie, ...fromPage }
  expect((await call('POST', '/v1/topics/orders/messages', { headers, body: { data: 'x' } })).status).toBe(401)
})

test('a session ends no later than its token, and is forgotten some time later', async () => {
  const time = createStoppedTime()
  const { call, tokenFor, disk } = await setUp({ limits: { ...defaultLimits, retentionSweepMs: 20 }, time })
  const { secret } = await tokenFor(['read'], ['>'], { expiresAt: new Date(time.now() + 1_500).toISOString() })
  const opened = await call('POST', '/v1/session', { token: secret })
  expect(opened.headers.getSetCookie()[0]).toMatch(/Max-Age=[01]$/)
  expect(disk.sessions.size).toBe(1)
  time.pass(2_000)
  await expect.poll(() => disk.sessions.size).toBe(0)
})

test('sessions are bounded in number: of a token the oldest goes, and beyond all none is opened', async () => {
  const { call, tokenFor, openSession, ask, disk } = await setUp({ limits: { ...defaultLimits, maxSessions: 3, maxSessionsPerToken: 2 } })
  const one = (await tokenFor(['read'])).secret
  const cookies = [await openSession(one), await openSession(one), await openSession(one)]
  expect(new Set([...disk.sessions.values()].map(({ createdAt }) => createdAt)).size).toBe(2)
  expect(await Promise.all(cookies.map((cookie) => ask(cookie)))).toEqual([401, 200, 200])
  await openSession(adminToken)
  const refused = await call('POST', '/v1/session', { token: (await tokenFor(['read'])).secret })
  expect([refused.status, refused.body.code]).toEqual([503, 'session_limit'])
  expect(refused.headers.get('retry-after')).not.toBeNull()
  expect(disk.sessions.size).toBe(3)
})

test('a session that is opened anew replaces the one of the request; without a token it goes on', async () => {
  const { call, openSession, ask, disk } = await setUp()
  const cookie = await openSession(adminToken)
  const kept = await call('POST', '/v1/session', { headers: { cookie, ...fromPage } })
  expect([kept.status, kept.headers.getSetCookie(), await ask(cookie)]).toEqual([204, [], 200])
  const renewed = cookieOf(await call('POST', '/v1/session', { token: adminToken, headers: { cookie } }))
  expect([await ask(cookie), await ask(renewed), disk.sessions.size]).toEqual([401, 200, 1])
  expect((await call('POST', '/v1/session')).status).toBe(401)
})

test('a session of the operator holds at gateways with the same token of the operator only, whose hash is not in the database', async () => {
  const disk = createMemoryDisk()
  const gateway = (token: string) => setUp({ store: createMemoryStore(disk), access: { insecure: false, adminToken: token, jwt: noJwt } })
  const [one, other, changed] = [await gateway(adminToken), await gateway(adminToken), await gateway('another-token-of-the-operator')]
  const [cookie, again] = [await one.openSession(adminToken), await one.openSession(adminToken)]
  expect(await Promise.all([one, other, changed].map(({ ask }) => ask(cookie)))).toEqual([200, 200, 401])
  expect((await one.call('GET', '/v1/tokens', { headers: { cookie, ...fromPage } })).status).toBe(200)
  const bases = [...disk.sessions.values()].map(({ basis }) => JSON.stringify(basis))
  expect(bases[0]).not.toBe(bases[1])
  expect(await other.ask(again)).toBe(200)
})

test('a session of a JSON Web Token keeps its rights until the token expires, where such tokens are accepted', async () => {
  const disk = createMemoryDisk()
  const jwt = { jwksUrl: undefined, secret: 's'.repeat(32), issuer: undefined, audience: 'peergate' }
  const one = await setUp({ store: createMemoryStore(disk), access: { insecure: false, adminToken, jwt } })
  const without = await setUp({ store: createMemoryStore(disk) })
  const token = await new SignJWT({ sub: 'ann', aud: 'peergate', peergate: { actions: ['read'], topics: ['orders'] } })
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime('10m')
    .sign(new TextEncoder().encode(jwt.secret))
  const opened = await one.call('POST', '/v1/session', { token })
  expect(Number(/Max-Age=(\d+)/.exec(opened.headers.getSetCookie()[0] ?? '')?.[1])).toBeLessThanOrEqual(600)
  const headers = { cookie: cookieOf(opened), ...fromPage }
  await one.call('PUT', '/v1/topics/orders', { headers })
  const codes = async (topic: string) => (await one.call('GET', `/v1/topics/${topic}/messages`, { headers })).status
  expect([await codes('orders'), await codes('news')]).toEqual([200, 403])
  expect([await one.ask(cookieOf(opened)), await without.ask(cookieOf(opened))]).toEqual([200, 401])
})

test('without tokens there is no session to open, and a cookie that is left over is removed', async () => {
  const { call } = await setUp({ access: { insecure: false, adminToken: undefined, jwt: noJwt } })
  const answer = await call('POST', '/v1/session', { headers: fromPage })
  expect([answer.status, answer.headers.getSetCookie()]).toEqual([204, ['peergate=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0']])
})

test.each([
  ['http', {}, /^peergate=.*SameSite=Strict; Max-Age/],
  ['http', { origin, 'sec-fetch-site': 'cross-site' }, /^peergate=.*SameSite=None; Secure; Partitioned; Max-Age/],
  ['http', { origin, 'sec-fetch-site': 'same-site' }, /^peergate=.*SameSite=Strict; Max-Age/],
  ['http', { origin }, /^peergate=.*SameSite=Strict; Max-Age/],
  ['https', {}, /^__Host-peergate=.*SameSite=Strict; Secure; Max-Age/],
  ['https', { origin, 'sec-fetch-site': 'same-site' }, /^__Host-peergate=.*SameSite=Strict; Secure; Max-Age/],
  ['https', { origin, 'sec-fetch-site': 'cross-site' }, /^__Host-peergate=.*SameSite=None; Secure; Partitioned; Max-Age/],
  ['https', { origin }, /^__Host-peergate=.*SameSite=None; Secure; Partitioned; Max-Age/],
])('over %s a page with %j gets a cookie for its site', async (protocol, headers, cookie) => {
  const { call } = await setUp({ http: { ...loopbackHttp, allowedOrigins: [origin], trustedProxies: ['127.0.0.1'] } })
  const forwarded = { 'x-forwarded-proto': protocol }
  const opened = await call('POST', '/v1/session', { token: adminToken, headers: { ...forwarded, ...headers } })
  expect(opened.headers.getSetCookie()).toEqual([expect.stringMatching(cookie)])
  const ended = await call('DELETE', '/v1/session', { headers: { ...forwarded, ...headers, cookie: cookieOf(opened) } })
  expect(ended.headers.getSetCookie()).toEqual([expect.stringMatching(cookie)])
  const renamed = { cookie: `peergate=${cookieOf(opened).split('=')[1]}`, ...fromPage }
  expect((await call('GET', '/v1/node', { headers: { ...renamed, 'x-forwarded-proto': 'https' } })).status).toBe(401)
})

test.each([
  ['nobody is trusted', []],
  ['another proxy is trusted', ['192.0.2.1', '10.0.0.0/8']],
])('only a proxy that is trusted says that TLS is in use, where %s', async (_, trustedProxies) => {
  const { call, ask } = await setUp({ http: { ...loopbackHttp, allowedOrigins: [origin], trustedProxies } })
  const lie = { 'x-forwarded-proto': 'https' }
  const opened = await call('POST', '/v1/session', { token: adminToken, headers: lie })
  expect(opened.headers.getSetCookie()).toEqual([expect.stringMatching(/^peergate=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Max-Age/)])
  expect(await ask(cookieOf(opened), { ...lie, ...fromPage })).toBe(200)
  // An allowed origin of another site is told so by the browser alone.
  expect((await call('POST', '/v1/session', { token: adminToken, headers: { ...lie, origin } })).headers.getSetCookie()[0]).not.toMatch(
    /Secure/,
  )
  const ended = await call('DELETE', '/v1/session', { headers: { ...lie, cookie: cookieOf(opened), ...fromPage } })
  expect(ended.headers.getSetCookie()).toEqual(['peergate=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0'])
  expect(await ask(cookieOf(opened))).toBe(401)
})

test('a page of an allowed origin opens a WebSocket with its session, and no other page does', async () => {
  const { gateway, openSession } = await setUp()
  const cookie = await openSession(adminToken)
  const open = async (from: string) => {
    const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/v1/stream`, { headers: { cookie, origin: from } })
    const outcome = await new Promise<string>((resolve) => {
      socket.once('open', () => resolve('open'))
      socket.once('error', ({ message }) => resolve(message))
    })
    socket.terminate()
    return outcome
  }
  expect(await open(origin)).toBe('open')
  expect(await open('https://evil.example')).toContain('403')
})
