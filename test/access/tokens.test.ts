import { pino } from 'pino'
import { describe, expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import { createTokens } from '../../src/access/tokens.ts'
import { defaultLimits } from '../../src/limits.ts'
import { tokenActions } from '../../src/model/action.ts'
import { loopbackHttp } from '../fixtures/gateway-pair.ts'
import { createMemoryDisk, createMemoryStore } from '../fixtures/memory-store.ts'
import { createStoppedTime } from '../fixtures/stopped-time.ts'
import { openStream } from '../fixtures/stream-client.ts'
import { adminToken, gatewayWithTokens, noJwt } from './gateway-with-tokens.ts'

const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

describe('without a token', () => {
  test('nothing is answered but what needs none, once there is a token', async () => {
    const { call } = await gatewayWithTokens()
    const refused = await call('GET', '/v1/node')
    expect(refused.status).toBe(401)
    expect(refused.body.code).toBe('unauthorized')
    expect(refused.headers.get('www-authenticate')).toBe('Bearer realm="peergate"')
    expect((await call('POST', '/v1/topics/orders/messages', { body: { data: 'x' } })).status).toBe(401)
    expect((await call('GET', '/v1/topics/orders/messages')).status).toBe(401)
    for (const path of ['/healthz', '/readyz', '/openapi.json']) expect((await call('GET', path)).status).toBe(200)
    expect((await call('GET', '/metrics')).status).toBe(401)
    expect((await call('GET', '/metrics', { token: adminToken })).status).toBe(200)
    expect((await call('GET', '/v1/node', { token: adminToken })).status).toBe(200)
  })

  test('everything is, on loopback while there is none; and the first token ends it', async () => {
    const { call } = await gatewayWithTokens({ access: { insecure: false, adminToken: undefined, jwt: noJwt } })
    expect((await call('GET', '/v1/node')).status).toBe(200)
    const { body } = await call('POST', '/v1/tokens', { body: { name: 'first', actions: [...tokenActions] } })
    await expect.poll(async () => (await call('GET', '/v1/node')).status).toBe(401)
    expect((await call('GET', '/v1/node', { token: String(body['secret']) })).status).toBe(200)
  })

  test('a gateway that others can reach does not start, unless it is told to', async () => {
    const open = { http: { ...loopbackHttp, host: '0.0.0.0' } }
    const nothing = { adminToken: undefined, jwt: noJwt }
    await expect(gatewayWithTokens({ ...open, access: { ...nothing, insecure: false } })).rejects.toThrow('PEERGATE_ADMIN_TOKEN')
    await gatewayWithTokens({ ...open, access: { ...nothing, insecure: true } })
    await gatewayWithTokens(open)
  })
})

describe('a token', () => {
  test('is kept as a hash only, and shown once', async () => {
    const disk = createMemoryDisk()
    const { call, tokenFor } = await gatewayWithTokens({ store: createMemoryStore(disk) })
    const { id, secret } = await tokenFor(['read'])
    expect(secret).toMatch(/^peergate_[\w-]{43}$/)
    const { body } = await call('GET', '/v1/tokens', { token: adminToken })
    expect(body.items).toMatchObject([{ id, name: 'test', actions: ['read'], topics: ['>'], expiresAt: null }])
    expect(JSON.stringify([body, [...disk.tokens.values()], disk.audit])).not.toContain(secret)
  })

  test.each([
    ['Bearer ', 'invalid_token'],
    ['Bearer', 'invalid_token'],
    ['Bearer two words', 'invalid_token'],
    [`Bearer ${'x'.repeat(8_193)}`, 'invalid_token'],
    ['Bearer peergate_unknown', 'invalid_token'],
    ['Bearer a.b.c', 'invalid_token'],
    ['Basic YTpi', 'unauthorized'],
    ['bearer_token', 'unauthorized'],
  ])('that is not known, or not a bearer token, is refused with a challenge: %s', async (authorization, code) => {
    const { call } = await gatewayWithTokens()
    for (const [method, path] of [
      ['GET', '/v1/node'],
      ['POST', '/v1/session'],
      ['GET', '/metrics'],
    ] as const) {
      const { status, body, headers } = await call(method, path, { headers: { authorization } })
      expect([status, body.code]).toEqual([401, code])
      expect(headers.get('www-authenticate')).toBe(`Bearer realm="peergate"${code === 'unauthorized' ? '' : ', error="invalid_token"'}`)
    }
  })

  test('allows its actions on its topics, and nothing else', async () => {
    const { call, tokenFor } = await gatewayWithTokens()
    const reader = (await tokenFor(['read'], ['orders', 'news.*'])).secret
    const writer = (await tokenFor(['publish'], ['orders'])).secret
    const data = { data: 'x' }
    const statuses = async (token: string, calls: Array<[string, string, unknown?]>) =>
      await Promise.all(calls.map(async ([method, path, body]) => (await call(method, path, { token, body })).status))
    for (const topic of ['orders', 'news.local', 'secret']) {
      expect((await call('POST', `/v1/topics/${topic}/messages`, { token: adminToken, body: data })).status).toBe(201)
    }
    expect(
      await statuses(writer, [
        ['POST', '/v1/topics/orders/messages', data],
        ['POST', '/v1/topics/secret/messages', data],
        [
          'POST',
          '/v1/messages',
          {
            messages: [
              { topic: 'orders', data: 'x' },
              { topic: 'secret', data: 'x' },
            ],
          },
        ],
        ['GET', '/v1/topics/orders/messages'],
        ['GET', '/v1/node'],
      ]),
    ).toEqual([201, 403, 403, 403, 403])
    expect(
      await statuses(reader, [
        ['GET', '/v1/topics/orders/messages'],
        ['GET', '/v1/topics/news.local/messages'],
        ['GET', '/v1/topics/secret/messages'],
        ['GET', '/v1/messages?topic=orders&topic=news.*'],
        ['GET', '/v1/messages?topic=>'],
        ['GET', '/v1/messages?topic=*.local'],
        ['GET', '/v1/messages'],
        ['GET', '/v1/topics/secret'],
        ['PUT', '/v1/topics/secret'],
        ['PUT', '/v1/topics/orders'],
        ['PUT', '/v1/topics/orders', { retention: { maxMessages: 1 } }],
        ['PATCH', '/v1/topics/orders', { retention: { maxMessages: 1 } }],
        ['DELETE', '/v1/topics/orders?purge=true'],
        ['POST', '/v1/topics/orders/messages', data],
        ['GET', '/v1/peers'],
        ['GET', '/v1/tokens'],
        ['GET', '/v1/audit'],
      ]),
    ).toEqual([200, 200, 403, 200, 403, 403, 403, 403, 403, 200, 403, 403, 403, 403, 403, 403, 403])
    const forbidden = await call('GET', '/v1/topics/secret', { token: reader })
    expect(forbidden.body.code).toBe('forbidden')
    expect(forbidden.headers.get('www-authenticate')).toContain('error="insufficient_scope"')
    const { body } = await call('GET', '/v1/topics', { token: reader })
    expect(body.items?.map(({ topic }) => topic)).toEqual(['news.local', 'orders'])
    const secret = await call('GET', '/v1/topics/secret/messages', { token: adminToken })
    const id = String(secret.body.items?.[0]?.['id'])
    expect((await call('GET', `/v1/messages/${id}`, { token: reader })).status).toBe(403)
    expect((await call('GET', `/v1/messages/${id}/data`, { token: reader })).status).toBe(403)
    expect((await call('GET', `/v1/messages/${id}`, { token: adminToken })).status).toBe(200)
  })

  test('gives no more than it has', async () => {
    const { call, tokenFor } = await gatewayWithTokens()
    const token = (await tokenFor(['admin', 'read'], ['orders.>'])).secret
    const make = async (actions: string[], topics: string[]) =>
      (await call('POST', '/v1/tokens', { token, body: { name: 'child', actions, topics } })).status
    expect(await make(['read'], ['orders.1', 'orders.2.*'])).toBe(201)
    expect(await make(['publish'], ['orders.>'])).toBe(403)
    expect(await make(['read'], ['>'])).toBe(403)
  })

  test('gives nothing that lasts longer than it does, nor does its session', async () => {
    const { call, tokenFor } = await gatewayWithTokens()
    const at = (minutes: number) => new Date(Date.now() + minutes * 60_000).toISOString()
    const token = (await tokenFor(['admin', 'read'], ['>'], { expiresAt: at(30) })).secret
    const lasting = (await tokenFor(['admin', 'read'])).secret
    const cookieFor = async (secret: string) =>
      (await call('POST', '/v1/session', { token: secret })).headers.getSetCookie()[0]?.split(';')[0] ?? ''
    const short = { cookie: await cookieFor(token), 'sec-fetch-site': 'same-origin' }
    const long = { cookie: await cookieFor(lasting), 'sec-fetch-site': 'same-origin' }
    const make = async (as: { token?: string; headers?: Record<string, string> }, end?: string) =>
      (await call('POST', '/v1/tokens', { ...as, body: { name: 'child', actions: ['read'], ...(end && { expiresAt: end }) } })).status
    for (const as of [{ token }, { headers: short }]) {
      expect(await make(as)).toBe(403)
      expect(await make(as, at(31))).toBe(403)
      expect(await make(as, at(29))).toBe(201)
    }
    // The session ends, but it is the token that gives.
    for (const as of [{ token: lasting }, { headers: long }]) expect(await make(as)).toBe(201)
  })

  test('expires, and an open stream with it, unless it is renewed', async () => {
    const time = createStoppedTime()
    const { gateway, call, tokenFor } = await gatewayWithTokens({ time })
    const expiresAt = new Date(time.now() + 1_000).toISOString()
    const short = (await tokenFor(['read', 'publish'], ['orders'], { expiresAt })).secret
    const long = (await tokenFor(['read'], ['orders'])).secret
    const narrow = (await tokenFor(['read'], ['news'])).secret
    expect(
      (await call('POST', '/v1/tokens', { token: adminToken, body: { name: 'x', actions: ['read'], expiresAt: '2020-01-01T00:00:00Z' } }))
        .status,
    ).toBe(422)
    const [one, other] = [
      await openStream(gateway.url, { query: '?topic=orders', headers: bearer(short) }),
      await openStream(gateway.url, { query: '?topic=orders', headers: bearer(short) }),
    ]
    expect(await one.expect('welcome')).toMatchObject({ tokenExpiresAt: expiresAt })
    await other.expect('subscribed')
    other.send({ type: 'auth', id: 1, token: narrow })
    expect(await other.expect('error')).toMatchObject({ id: 1, code: 'forbidden' })
    other.send({ type: 'auth', id: 2, token: long })
    expect(await other.expect('authenticated')).toEqual({ type: 'authenticated', id: 2, expiresAt: null })
    time.pass(1_500)
    expect(await one.closed).toBe(4100)
    expect((await call('GET', '/v1/topics/orders', { token: short })).body.code).toBe('invalid_token')
    await call('POST', '/v1/topics/orders/messages', { token: adminToken, body: { data: 'after' } })
    await other.until(() => other.messages.length === 1)
    // What the token before allowed is over.
    other.send({ type: 'publish', id: 3, topic: 'orders', data: 'x' })
    expect(await other.expect('error', (frame) => frame.id === 3)).toMatchObject({ code: 'forbidden' })
    await other[Symbol.asyncDispose]()
  })

  test('that judges is for its topics only, and only another that allows it can go on with what it does', async () => {
    const { gateway, tokenFor } = await gatewayWithTokens()
    const working = (await tokenFor(['validate', 'serve'], ['orders'])).secret
    await using stream = await openStream(gateway.url, { headers: bearer(working) })
    stream.send({ type: 'validate', id: 1, topic: 'news' })
    expect(await stream.expect('error')).toMatchObject({ id: 1, code: 'forbidden' })
    stream.send({ type: 'validate', topic: 'orders' })
    await stream.expect('validating')
    stream.send({ type: 'serve', service: 'prices' })
    await stream.expect('serving')
    const others = [tokenFor(['validate'], ['>']), tokenFor(['serve'], ['>']), tokenFor(['validate', 'serve'], ['news'])]
    for (const [index, other] of (await Promise.all(others)).entries()) {
      stream.send({ type: 'auth', id: `other ${index}`, token: other.secret })
      expect(await stream.expect('error', ({ id }) => id === `other ${index}`)).toMatchObject({ code: 'forbidden' })
    }
    stream.send({ type: 'auth', id: 'wide', token: (await tokenFor(['validate', 'serve'], ['>'])).secret })
    expect(await stream.expect('authenticated')).toMatchObject({ id: 'wide' })
    const reader = await openStream(gateway.url, { headers: bearer((await tokenFor(['read'])).secret) })
    onTestFinished(() => reader[Symbol.asyncDispose]())
    reader.send({ type: 'validate', id: 2, topic: 'orders' })
    expect(await reader.expect('error')).toMatchObject({ id: 2, code: 'forbidden' })
  })

  test('that is revoked is refused at once, and its streams are closed; others stay', async () => {
    const { gateway, call, tokenFor } = await gatewayWithTokens()
    const [gone, kept] = [await tokenFor(['read']), await tokenFor(['read'])]
    const closing = await openStream(gateway.url, { query: '?topic=orders', headers: bearer(gone.secret) })
    await using staying = await openStream(gateway.url, { query: '?topic=orders', headers: bearer(kept.secret) })
    const events = await fetch(`${gateway.url}/v1/events?topic=orders`, { headers: bearer(gone.secret) })
    await staying.expect('subscribed')
    expect((await call('DELETE', `/v1/tokens/${gone.id}`, { token: adminToken })).status).toBe(204)
    expect(await closing.closed).toBe(4503)
    await expect(events.text()).rejects.toThrow()
    expect((await call('GET', '/v1/node', { token: gone.secret })).status).toBe(401)
    staying.send({ type: 'ping', id: 1 })
    await staying.expect('pong')
    expect((await call('DELETE', `/v1/tokens/${gone.id}`, { token: adminToken })).body.code).toBe('token_not_found')
  })
})

describe('the stream', () => {
  test('checks each frame', async () => {
    const { gateway, call, tokenFor } = await gatewayWithTokens()
    const token = (await tokenFor(['read', 'publish'], ['orders', 'news.*'])).secret
    await using stream = await openStream(gateway.url, { headers: bearer(token) })
    const refused = [
      { type: 'subscribe', topics: ['secret'] },
      { type: 'subscribe', topics: ['>'] },
      { type: 'subscribe', topics: ['orders', '*.local'] },
      { type: 'publish', topic: 'secret', data: 'x' },
    ]
    for (const [id, frame] of refused.entries()) {
      stream.send({ ...frame, id })
      expect(await stream.expect('error', (error) => error.id === id)).toMatchObject({ code: 'forbidden' })
    }
    stream.send({ type: 'subscribe', id: 'ok', topics: ['news.*'] })
    await stream.expect('subscribed')
    for (const topic of ['secret', 'news.local'])
      await call('POST', `/v1/topics/${topic}/messages`, { token: adminToken, body: { data: topic } })
    await stream.until(() => stream.messages.length > 0)
    expect(stream.messages.map(({ data }) => data)).toEqual(['news.local'])
    const writer = (await tokenFor(['publish'])).secret
    await using publishing = await openStream(gateway.url, { headers: bearer(writer) })
    publishing.send({ type: 'subscribe', id: 1, topics: ['orders'] })
    expect(await publishing.expect('error')).toMatchObject({ id: 1, code: 'forbidden' })
    publishing.send({ type: 'publish', id: 2, topic: 'orders', data: 'x' })
    await publishing.expect('published')
  })

  test('is refused before the upgrade, or after it where the token is a subprotocol', async () => {
    const { gateway, tokenFor } = await gatewayWithTokens()
    await expect(openStream(gateway.url)).rejects.toThrow('401')
    await expect(openStream(gateway.url, { headers: bearer('unknown') })).rejects.toThrow('401')
    const token = (await tokenFor(['read'])).secret
    const url = `${gateway.url.replace('http', 'ws')}/v1/stream?topic=orders`
    const offer = (secret: string) => ['peergate.v1.json', `peergate.bearer.${Buffer.from(secret).toString('base64url')}`]
    const open = (secret: string) => {
      const socket = new WebSocket(url, offer(secret))
      const frames: Array<Record<string, unknown>> = []
      socket.on('message', (raw) => frames.push(JSON.parse(raw.toString())))
      return { socket, frames, closed: new Promise<number>((resolve) => socket.once('close', resolve)) }
    }
    const good = open(token)
    await expect.poll(() => good.frames.map(({ type }) => type)).toContain('subscribed')
    expect(good.socket.protocol).toBe('peergate.v1.json')
    good.socket.close()
    const bad = open('unknown')
    expect(await bad.closed).toBe(4502)
    expect(bad.frames).toMatchObject([{ type: 'error', code: 'invalid_token' }])
  })

  test('is refused when it is wider than the token: events', async () => {
    const { call, tokenFor } = await gatewayWithTokens()
    const { secret } = await tokenFor(['read'], ['orders'])
    expect((await call('GET', '/v1/events?topic=>', { token: secret })).body.code).toBe('forbidden')
  })
})

test('tokens are listed page by page, also when one is revoked meanwhile, got by their id, and renamed', async () => {
  const { call, tokenFor } = await gatewayWithTokens()
  const token = adminToken
  const ids = [(await tokenFor(['read'])).id, (await tokenFor(['read'])).id, (await tokenFor(['read'])).id]
  const page = async (query: string) => (await call('GET', `/v1/tokens?limit=2${query}`, { token })).body
  const idsOf = ({ items }: Record<string, unknown>) => (Array.isArray(items) ? items.map(({ id }) => id) : [])
  const first = await page('')
  for (const id of idsOf(first)) expect((await call('DELETE', `/v1/tokens/${id}`, { token })).status).toBe(204)
  const second = await page(`&after=${first['next']}`)
  expect([...idsOf(first), ...idsOf(second)].toSorted()).toEqual(ids.toSorted())
  expect(second['next']).toBeNull()
  const [left] = idsOf(second)
  const renamed = await call('PATCH', `/v1/tokens/${left}`, { token, body: { name: 'till 4' } })
  expect([renamed.status, renamed.body['name']]).toEqual([200, 'till 4'])
  expect((await call('GET', `/v1/tokens/${left}`, { token })).body).toEqual(renamed.body)
  for (const [method, body] of [['GET'], ['PATCH', { name: 'x' }]] as const) {
    const gone = await call(method, '/v1/tokens/tok_gone', { token, body })
    expect([gone.status, gone.body.code]).toEqual([404, 'token_not_found'])
  }
  expect(await call('PATCH', `/v1/tokens/${left}`, { token, body: { actions: ['admin'] } })).toMatchObject({ status: 400 })
  expect((await call('GET', '/v1/tokens?after=1', { token })).body).toMatchObject({ code: 'invalid_request', errors: [{ path: '/after' }] })
})

test('a client is told what it may do, and how much', async () => {
  const { call, tokenFor } = await gatewayWithTokens()
  const expiresAt = new Date(Date.now() + 60_000).toISOString()
  const { id, secret } = await tokenFor(['read', 'publish'], ['orders', 'news.*'], { expiresAt })
  expect((await call('GET', '/v1/session')).status).toBe(401)
  const budget = {
    quota: expect.any(Number),
    perSecond: expect.any(Number),
    remaining: expect.any(Number),
    resetSeconds: expect.any(Number),
  }
  const { status, body } = await call('GET', '/v1/session', { token: secret })
  expect([status, body]).toEqual([
    200,
    {
      id,
      actions: ['read', 'publish'],
      topics: ['orders', 'news.*'],
      expiresAt,
      session: false,
      budgets: [
        { name: 'token', ...budget },
        { name: 'address', ...budget },
      ],
    },
  ])
  const opened = await call('POST', '/v1/session', { token: secret, headers: { 'sec-fetch-site': 'same-origin' } })
  const cookie = opened.headers.get('set-cookie')?.split(';')[0] ?? ''
  const own = await call('GET', '/v1/session', { headers: { cookie, 'sec-fetch-site': 'same-origin' } })
  expect(own.body).toMatchObject({ id, session: true, expiresAt })
  expect((await call('GET', '/v1/session', { token: adminToken })).body).toMatchObject({ id: 'operator', topics: ['>'], expiresAt: null })
})

test('what is done to the gateway itself is noted, and by whom', async () => {
  const { call, tokenFor } = await gatewayWithTokens()
  const { id, secret } = await tokenFor(['peers'])
  const peer = '12D3KooWRawPbxPtP1eZaJpumGnyWX2DcUyd3RQnydr3eAto4Az7'
  await call('PATCH', `/v1/peers/${peer}`, { token: secret, body: { blocked: true } })
  await call('DELETE', `/v1/tokens/${id}`, { token: secret })
  await call('DELETE', `/v1/tokens/${id}`, { token: adminToken })
  const { body } = await call('GET', '/v1/audit?limit=2', { token: adminToken })
  expect(body.items).toMatchObject([
    { actor: 'operator', act: 'revokeToken', detail: { params: { id }, address: '127.0.0.1' } },
    { actor: id, act: 'updatePeer', detail: { params: { peerId: peer }, body: { blocked: true } } },
  ])
  const rest = await call('GET', `/v1/audit?after=${body['next']}`, { token: adminToken })
  expect(rest.body.items).toMatchObject([{ actor: 'operator', act: 'createToken', detail: { body: { name: 'test', actions: ['peers'] } } }])
})

test('an idempotency key is the token’s own', async () => {
  const { call, tokenFor } = await gatewayWithTokens()
  const [one, other] = [(await tokenFor(['publish'])).secret, (await tokenFor(['publish'])).secret]
  const publish = async (token: string) =>
    await call('POST', '/v1/topics/orders/messages', { token, body: { data: 'x' }, headers: { 'idempotency-key': 'key' } })
  const first = await publish(one)
  expect((await publish(other)).body['id']).not.toBe(first.body['id'])
  expect((await publish(one)).body['id']).toBe(first.body['id'])
})

test('the level of the log is changed while it runs, by whoever may', async () => {
  const lines: string[] = []
  const logger = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) })
  const { call, tokenFor } = await gatewayWithTokens({ logger })
  const { secret } = await tokenFor(['read'])
  expect((await call('PUT', '/v1/log-level', { token: secret, body: { level: 'debug' } })).status).toBe(403)
  expect((await call('PUT', '/v1/log-level', { token: adminToken, body: { level: 'loud' } })).status).toBe(400)
  const requests = () => lines.filter((line) => line.includes('"msg":"request"')).length
  expect(requests()).toBe(0)
  expect((await call('PUT', '/v1/log-level', { token: adminToken, body: { level: 'debug' } })).body).toEqual({ level: 'debug' })
  await call('GET', '/v1/node', { token: secret })
  await expect.poll(requests).toBeGreaterThan(0)
})

describe('a gateway on which nobody but tokens can administer', () => {
  const open = () => gatewayWithTokens({ access: { insecure: false, adminToken: undefined, jwt: noJwt } as never })

  test.each([
    ['does not allow admin', { actions: ['read'] }],
    ['expires', { actions: ['admin'], expiresAt: '2099-01-01T00:00:00Z' }],
  ])('takes no first token that %s', async (_, input) => {
    const { call, store } = await open()
    const { status, body } = await call('POST', '/v1/tokens', { body: { name: 'first', ...input } })
    expect([status, body.code]).toEqual([409, 'admin_token_needed'])
    expect(await store.tokens.list()).toEqual([])
    expect((await call('GET', '/v1/tokens')).status).toBe(200)
  })

  test('keeps the last token that allows admin for good', async () => {
    const { call } = await open()
    const create = async (input: object, token?: string) =>
      (await call('POST', '/v1/tokens', { body: { name: 'x', ...input }, ...(token === undefined ? {} : { token }) })).body
    const first = await create({ actions: ['admin', 'read'] })
    const token = String(first['secret'])
    await create({ actions: ['read'] }, token)
    const last = await call('DELETE', `/v1/tokens/${first['id']}`, { token })
    expect([last.status, last.body.code]).toEqual([409, 'admin_token_needed'])
    expect((await call('DELETE', '/v1/tokens/tok_unknown', { token })).status).toBe(404)
    const second = await create({ actions: ['admin'] }, token)
    expect((await call('DELETE', `/v1/tokens/${first['id']}`, { token: String(second['secret']) })).status).toBe(204)
    expect((await call('GET', '/v1/tokens', { token })).status).toBe(401)
  })
})

test('a token that is revoked while it is looked up is not remembered', async () => {
  const store = createMemoryStore()
  await store.start()
  const tokens = createTokens({ adminToken: 'operator', hasProvider: false, limits: defaultLimits }, { store })
  const { token, secret } = await tokens.create({ name: 'x', actions: ['read'], topics: ['>'] })
  const find = store.tokens.find.bind(store.tokens)
  const found = Promise.withResolvers<void>()
  store.tokens.find = async (hash) => {
    const record = await find(hash)
    await found.promise
    return record
  }
  const lookedUp = tokens.grantOf(secret)
  await tokens.revoke(token.id)
  found.resolve()
  await lookedUp
  expect(await tokens.grantOf(secret)).toBeUndefined()
})

test.each(['x\u0000y', 'a\nb', '\ud800'])('the name %j of a token is refused, and its id in a path is unknown', async (name) => {
  const { call } = await gatewayWithTokens()
  const { status, body } = await call('POST', '/v1/tokens', { token: adminToken, body: { name, actions: ['read'] } })
  expect([status, body.code]).toEqual([400, 'invalid_request'])
  expect((await call('DELETE', '/v1/tokens/%00', { token: adminToken })).status).toBe(400)
})

test('the metrics need no token where the configuration says so', async () => {
  const { call } = await gatewayWithTokens({ http: { ...loopbackHttp, metricsPublic: true } })
  expect((await call('GET', '/metrics')).status).toBe(200)
  expect((await call('GET', '/v1/node')).status).toBe(401)
})
