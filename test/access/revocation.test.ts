import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createEndings } from '../../src/access/endings.ts'
import { createTokens } from '../../src/access/tokens.ts'
import { StoreUnavailable } from '../../src/errors.ts'
import { defaultLimits } from '../../src/limits.ts'
import { createMemoryDisk, createMemoryStore } from '../fixtures/memory-store.ts'
import { createStoppedTime } from '../fixtures/stopped-time.ts'
import { openStream } from '../fixtures/stream-client.ts'
import { adminToken, gatewayWithTokens } from './gateway-with-tokens.ts'

/** A gauge, as the metrics tell it. */
async function gauge(url: string, name: string): Promise<number> {
  const metrics = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${adminToken}` } })
  return Number(new RegExp(`^peergate_${name} (\\d+)`, 'm').exec(await metrics.text())?.[1])
}

function upgradeRequest(path: string, headers: Record<string, string>): string {
  const fields = { host: 'localhost', connection: 'upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', ...headers }
  const lines = Object.entries({ ...fields, 'sec-websocket-key': randomBytes(16).toString('base64') }).map((field) => field.join(': '))
  return `${[`GET ${path} HTTP/1.1`, ...lines].join('\r\n')}\r\n\r\n`
}

/** A text frame of a client (RFC 6455 §5.2), of less than 126 bytes. */
function maskedFrame(frame: object): Buffer {
  const payload = Buffer.from(JSON.stringify(frame))
  return Buffer.concat([Buffer.from([0x81, 0x80 | payload.length, 0, 0, 0, 0]), payload])
}

/** Holds the answers of look-ups from when it is told to until it lets them go. */
function createHold() {
  let gate: Promise<void> | undefined
  let open = () => {}
  let waiting = 0
  return {
    get waiting() {
      return waiting
    },
    begin() {
      gate = new Promise((resolve) => {
        open = resolve
      })
    },
    end() {
      gate = undefined
      open()
    },
    async pass<Answer>(answer: Promise<Answer>): Promise<Answer> {
      const value = await answer
      waiting++
      await gate
      waiting--
      return value
    },
  }
}

async function setUp() {
  const hold = createHold()
  const store = createMemoryStore()
  const party = await gatewayWithTokens({
    store: {
      ...store,
      tokens: { ...store.tokens, find: (hash) => hold.pass(store.tokens.find(hash)) },
      sessions: { ...store.sessions, find: (id) => hold.pass(store.sessions.find(id)) },
    },
  })
  return { ...party, hold }
}

test('a token that is revoked while it is looked up is refused, then and later', async () => {
  const { call, tokenFor, hold } = await setUp()
  const { id, secret } = await tokenFor(['read'])
  hold.begin()
  const asked = call('GET', '/v1/node', { token: secret })
  await expect.poll(() => hold.waiting).toBe(1)
  expect((await call('DELETE', `/v1/tokens/${id}`, { token: adminToken })).status).toBe(204)
  hold.end()
  expect((await asked).status).toBe(401)
  expect((await call('GET', '/v1/node', { token: secret })).status).toBe(401)
})

test('a stream whose session ends while it is looked up is not opened', async () => {
  const { call, gateway, hold } = await setUp()
  const [cookie = ''] = (await call('POST', '/v1/session', { token: adminToken })).headers.getSetCookie()
  const headers = { cookie: cookie.split(';')[0] ?? '', 'sec-fetch-site': 'same-origin' }
  hold.begin()
  const opening = openStream(gateway.url, { headers })
  const events = call('GET', '/v1/events?topic=orders', { headers })
  await expect.poll(() => hold.waiting).toBe(2)
  expect((await call('DELETE', '/v1/session', { headers })).status).toBe(204)
  hold.end()
  await expect(opening).rejects.toThrow('401')
  expect((await events).status).toBe(401)
})

describe('once an end is acknowledged', () => {
  /** A client with a token or a session, and how to end that. */
  async function party(kind: 'token' | 'session') {
    const { call, gateway, tokenFor, store } = await gatewayWithTokens()
    const { id, secret } = await tokenFor(['read', 'publish', 'request', 'peers'])
    const bearer = { authorization: `Bearer ${secret}` }
    const [cookie = ''] = kind === 'session' ? (await call('POST', '/v1/session', { token: secret })).headers.getSetCookie() : []
    const headers = kind === 'session' ? { cookie: cookie.split(';')[0] ?? '', 'sec-fetch-site': 'same-origin' } : bearer
    const end = async () =>
      kind === 'session'
        ? await call('DELETE', '/v1/session', { headers })
        : await call('DELETE', `/v1/tokens/${id}`, { token: adminToken })
    const publish = async () => await call('POST', '/v1/topics/orders/messages', { token: adminToken, body: { data: 'secret' } })
    return { call, gateway, store, headers, end, publish }
  }

  test.each(['token', 'session'] as const)('of a %s, a long poll is answered 401 at once, and told nothing', async (kind) => {
    const { call, gateway, headers, end, publish } = await party(kind)
    await publish()
    const asked = call('GET', '/v1/topics/orders/messages?after=latest&waitMs=30000', { headers })
    await expect.poll(() => gauge(gateway.url, 'long_polls')).toBe(1)
    expect((await end()).status).toBe(204)
    expect((await publish()).status).toBe(201)
    expect(await asked).toMatchObject({ status: 401, body: { code: 'invalid_token' } })
  })

  test.each(['token', 'session'] as const)('of a %s, what was read already is not told', async (kind) => {
    const { call, headers, end, store } = await party(kind)
    const [listed, held] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const list = store.topics.list.bind(store.topics)
    store.topics.list = async (query) => {
      const topics = await list(query)
      listed.resolve()
      await held.promise
      return topics
    }
    const asked = call('GET', '/v1/topics', { headers })
    await listed.promise
    expect((await end()).status).toBe(204)
    held.resolve()
    expect(await asked).toMatchObject({ status: 401, body: { code: 'invalid_token' } })
  })

  test('events that were being prepared are not begun', async () => {
    const { call, headers, end, store } = await party('token')
    const [joined, held] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const join = store.topics.join.bind(store.topics)
    store.topics.join = async (...asked) => {
      joined.resolve()
      await held.promise
      return await join(...asked)
    }
    const asked = call('GET', '/v1/events?topic=orders', { headers })
    await joined.promise
    expect((await end()).status).toBe(204)
    held.resolve()
    expect(await asked).toMatchObject({ status: 401, body: { code: 'invalid_token' } })
  })

  test('a publication that waits for peers is given up, and stored nowhere', async () => {
    const { call, headers, end } = await party('token')
    const asked = call('POST', '/v1/topics/orders/messages?minRecipients=1&waitMs=30000', { headers, body: { data: 'x' } })
    const joined = async () => (await call('GET', '/v1/topics', { token: adminToken })).body.items?.length
    await expect.poll(joined).toBe(1)
    expect((await end()).status).toBe(204)
    expect(await asked).toMatchObject({ status: 401, body: { code: 'invalid_token' } })
    expect((await call('GET', '/v1/messages', { token: adminToken })).body.items).toEqual([])
  })

  test.each(['token', 'session'] as const)(
    'of a %s, a stream carries out nothing more, though its client keeps the socket open',
    async (kind) => {
      const { call, gateway, headers, end, publish } = await party(kind)
      const { port } = new URL(gateway.url)
      const socket = connect(Number(port), '127.0.0.1')
      onTestFinished(() => void socket.destroy())
      const received: Buffer[] = []
      socket.on('data', (chunk) => received.push(chunk))
      socket.write(upgradeRequest('/v1/stream?topic=orders', headers))
      await expect.poll(() => Buffer.concat(received).toString()).toContain('"caught-up"')
      expect((await end()).status).toBe(204)
      // The goodbye is not answered.
      socket.write(maskedFrame({ type: 'publish', topic: 'orders', data: 'too late' }))
      await publish()
      await once(socket, 'close')
      expect(Buffer.concat(received).toString()).not.toContain('secret')
      const { body } = await call('GET', '/v1/messages', { token: adminToken })
      expect(body.items?.map(({ data }) => data)).toEqual(['secret'])
    },
  )

  test('frames that wait behind others are not carried out', async () => {
    const { call, gateway, headers, end, store } = await party('token')
    const [joined, held] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const join = store.topics.join.bind(store.topics)
    store.topics.join = async (...asked) => {
      joined.resolve()
      await held.promise
      return await join(...asked)
    }
    const stream = await openStream(gateway.url, { headers })
    stream.send({ type: 'subscribe', topics: ['orders'] })
    stream.send({ type: 'publish', topic: 'orders', data: 'x' })
    await joined.promise
    // Both have come by the time that this is answered.
    const other = await openStream(gateway.url, { headers })
    other.send({ type: 'ping' })
    await other.expect('pong')
    expect((await end()).status).toBe(204)
    held.resolve()
    await Promise.all([stream.closed, other.closed])
    // What is asked now comes behind what waited.
    await call('POST', '/v1/topics/orders/messages', { token: adminToken, body: { data: 'later' } })
    const { body } = await call('GET', '/v1/messages', { token: adminToken })
    expect(body.items?.map(({ data }) => data)).toEqual(['later'])
  })

  test('what a client that does not read has not taken is dropped', async () => {
    const { gateway, headers, end, call } = await party('token')
    const { port } = new URL(gateway.url)
    const socket = connect(Number(port), '127.0.0.1')
    onTestFinished(() => void socket.destroy())
    const upgraded = once(socket, 'data')
    socket.write(upgradeRequest('/v1/stream?topic=orders&after=earliest', headers))
    await upgraded
    socket.pause()
    const large = 'x'.repeat(1_000_000)
    for (let index = 0; index < 30; index++) await call('POST', '/v1/topics/orders/messages', { token: adminToken, body: { data: large } })
    expect((await end()).status).toBe(204)
    // Not after the time that a goodbye may take, which can't come through.
    expect(await gauge(gateway.url, 'streams')).toBe(0)
  })
})

test('a stream whose token has expired carries out nothing more, though its client keeps the socket open', async () => {
  const time = createStoppedTime()
  const { gateway, tokenFor, call } = await gatewayWithTokens({ time })
  const { secret } = await tokenFor(['publish'], ['>'], { expiresAt: new Date(time.now() + 1_000).toISOString() })
  const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  const received: Buffer[] = []
  socket.on('data', (chunk) => received.push(chunk))
  socket.write(upgradeRequest('/v1/stream', { authorization: `Bearer ${secret}` }))
  await expect.poll(() => Buffer.concat(received).toString()).toContain('welcome')
  time.pass(1_500)
  await expect.poll(() => Buffer.concat(received).toString()).toContain('token expired')
  socket.write(maskedFrame({ type: 'publish', topic: 'orders', data: 'too late' }))
  await once(socket, 'close')
  expect((await call('GET', '/v1/messages', { token: adminToken })).body.items).toEqual([])
})

test('an answer that is ready after its token has expired is refused', async () => {
  const store = createMemoryStore()
  const time = createStoppedTime()
  const { call, tokenFor } = await gatewayWithTokens({ store, time })
  const { secret } = await tokenFor(['read'], ['>'], { expiresAt: new Date(time.now() + 1_000).toISOString() })
  const list = store.topics.list.bind(store.topics)
  const begun = Promise.withResolvers<void>()
  store.topics.list = async (query) => {
    begun.resolve()
    time.pass(1_500)
    return await list(query)
  }
  const asked = call('GET', '/v1/topics', { token: secret })
  await begun.promise
  expect(await asked).toMatchObject({ status: 401, body: { code: 'invalid_token' } })
})

test.each(['events?topic=orders', 'streams/orders?offset=now&live=sse'])(
  '/v1/%s ends when its token expires, not with the next heartbeat',
  async (path) => {
    const time = createStoppedTime()
    const { call, gateway, tokenFor } = await gatewayWithTokens({ limits: { ...defaultLimits, heartbeatMs: 600_000 }, time })
    await call('PUT', '/v1/topics/orders', { token: adminToken })
    const { secret } = await tokenFor(['read'], ['>'], { expiresAt: new Date(time.now() + 1_000).toISOString() })
    const events = await fetch(`${gateway.url}/v1/${path}`, { headers: { authorization: `Bearer ${secret}` } })
    expect(events.status).toBe(200)
    time.pass(1_500)
    await expect(events.text()).rejects.toThrow()
  },
)

test('an end is remembered as long as a look-up may take', () => {
  const clock = { now: 0 }
  const endings = createEndings({ now: () => clock.now })
  const grant = { id: 'tok_1', actions: new Set<never>(), topics: { exact: [], patterns: [] }, session: 'abc' }
  const calls: string[] = []
  const watching = endings.watch(grant, () => void calls.push('one'))
  endings.watch({ ...grant, session: undefined }, () => void calls.push('other'))
  expect(endings.watched).toEqual({ tokens: ['tok_1'], sessions: ['abc'] })
  endings.end('abc')
  expect(calls).toEqual(['one'])
  expect([endings.has(grant), endings.has({ id: 'tok_1' })]).toEqual([true, false])
  expect(() => endings.watch(grant, () => undefined)).toThrow('has ended')
  watching[Symbol.dispose]()
  endings.end('tok_1')
  expect(calls).toEqual(['one', 'other'])
  expect(endings.watched).toEqual({ tokens: ['tok_1'], sessions: [] })
  clock.now = 59_999
  endings.end('tok_2')
  expect([endings.has({ id: 'tok_1' }), endings.has({ id: 'tok_2' })]).toEqual([true, true])
  clock.now = 60_000
  endings.end('tok_3')
  expect([endings.has({ id: 'tok_1' }), endings.has({ id: 'tok_2' })]).toEqual([false, true])
})

test('of the last two tokens that administer one stays, also when two gateways revoke one each at the same time; and of two first tokens one is made', async () => {
  const disk = createMemoryDisk()
  const gateways = [1, 2].map(() => {
    const store = createMemoryStore(disk)
    return createTokens({ adminToken: undefined, hasProvider: false, limits: defaultLimits }, { store })
  })
  for (let round = 0; round < 10; round++) {
    disk.tokens.clear()
    for (const name of ['one', 'other']) await gateways[0]?.create({ name, actions: ['admin'], topics: ['>'] })
    const ids = [...disk.tokens.keys()]
    await Promise.allSettled(gateways.map((tokens, index) => tokens.revoke(ids[index] ?? '')))
    expect([...disk.tokens.values()].filter(({ actions }) => actions.includes('admin'))).toHaveLength(1)
    disk.tokens.clear()
    const inputs = [
      { name: 'one', actions: ['admin' as const] },
      { name: 'other', actions: ['read' as const] },
    ]
    const order = round % 2 === 0 ? inputs : inputs.toReversed()
    await Promise.allSettled(
      gateways.map((tokens, index) => tokens.create({ topics: ['>'], ...(order[index] ?? { name: '', actions: [] }) })),
    )
    expect([...disk.tokens.values()].some(({ actions }) => actions.includes('admin'))).toBe(true)
  }
})

test('a token whose removal the database does not confirm is looked up anew', async () => {
  const store = createMemoryStore()
  const remove = async (id: string) => {
    await store.tokens.remove(id)
    throw new StoreUnavailable('The answer was lost.')
  }
  const components = { store: { ...store, tokens: { ...store.tokens, remove } } }
  const tokens = createTokens({ adminToken: 'operator', hasProvider: false, limits: defaultLimits }, components)
  const { token, secret } = await tokens.create({ name: 'x', actions: ['read'], topics: ['>'] })
  expect((await tokens.grantOf(secret))?.id).toBe(token.id)
  await expect(tokens.revoke(token.id)).rejects.toThrow(StoreUnavailable)
  expect(await tokens.grantOf(secret)).toBeUndefined()
})
