import { expect, test } from 'vitest'
import { appForTest, neighbour } from './app-for-test.ts'

const byDefault = { maxAgeMs: 604_800_000, maxMessages: 0, maxBytes: 1_073_741_824 }

test('joins a topic once, says whether it is new, and shows it', async () => {
  const { call, engine } = await appForTest()
  const first = await call('PUT', '/v1/topics/orders%2Fnew')
  expect(first).toMatchObject({ status: 201, headers: { location: '/v1/topics/orders%2Fnew' } })
  expect(first.body).toEqual({
    topic: 'orders/new',
    joined: true,
    messages: 0,
    bytes: 0,
    earliest: null,
    latest: null,
    retention: byDefault,
    traffic: { stored: 0, delivered: 0, sent: 0 },
    subscribers: 0,
    networks: [{ engine: 'memory', subscribers: 0, bridged: false }],
    gateway: expect.any(String),
  })
  const again = await call('PUT', '/v1/topics/orders%2Fnew', { json: {} })
  expect(again).toMatchObject({ status: 200, body: first.body })
  expect(await engine.topics()).toEqual(['orders/new'])
  expect(await call('GET', '/v1/topics/orders%2Fnew')).toMatchObject({ status: 200, body: first.body })
})

test('joins a topic that is named in the body', async () => {
  const { call } = await appForTest()
  expect(await call('POST', '/v1/topics', { json: { topic: 'a/b' } })).toMatchObject({
    status: 201,
    headers: { location: '/v1/topics/a%2Fb' },
  })
  expect(await call('POST', '/v1/topics', { json: { topic: 'a/b' } })).toMatchObject({ status: 200 })
})

test('counts what is stored of a topic and who else is there', async () => {
  const { call, publish, network } = await appForTest()
  const other = await neighbour(network, ['orders'])
  await call('POST', '/v1/peers', { json: { multiaddr: other.address } })
  const first = await publish('orders', 'one')
  const last = await publish('orders', 'three')
  const { body } = await call('GET', '/v1/topics/orders')
  expect(body).toMatchObject({ messages: 2, bytes: 8, latest: last.cursor, subscribers: 1, traffic: { stored: 2, delivered: 0, sent: 2 } })
  const after = await call('GET', `/v1/topics/orders/messages?after=${body.earliest}`)
  expect(after.body.items[0].id).toBe(first.id)
})

test('lists topics by name, page by page', async () => {
  const { call } = await appForTest()
  for (const topic of ['c', 'a', 'é', 'b']) await call('PUT', `/v1/topics/${encodeURIComponent(topic)}`)
  const first = await call('GET', '/v1/topics?limit=3')
  expect(first.body.items.map(({ topic }: { topic: string }) => topic)).toEqual(['a', 'b', 'c'])
  expect(first.body.next).toBe('c')
  const second = await call('GET', `/v1/topics?limit=3&after=${first.body.next}`)
  expect(second.body).toMatchObject({ items: [{ topic: 'é' }], next: null })
})

test('leaves a topic and keeps its messages', async () => {
  const { call, publish, engine } = await appForTest()
  await publish('orders', 'one')
  expect(await call('DELETE', '/v1/topics/orders')).toMatchObject({ status: 204 })
  expect(await engine.topics()).toEqual([])
  expect((await call('GET', '/v1/topics/orders')).body).toMatchObject({ joined: false, messages: 1 })
  expect(await call('DELETE', '/v1/topics/orders')).toMatchObject({ status: 204 })
})

test('does not find a topic that nobody joined, nor its history', async () => {
  const { call, store } = await appForTest()
  const unknown = { status: 404, body: { code: 'topic_not_found', detail: expect.stringContaining('PUT /v1/topics/{topic}') } }
  for (const method of ['GET', 'DELETE']) expect(await call(method, '/v1/topics/nowhere')).toMatchObject(unknown)
  for (const query of ['', '?after=latest&waitMs=50000']) {
    expect(await call('GET', `/v1/topics/nowhere/messages${query}`)).toMatchObject(unknown)
  }
  expect(await call('GET', '/v1/messages?topic=nowhere')).toMatchObject({ status: 200, body: { items: [], caughtUp: true } })
  await call('PUT', '/v1/topics/nowhere')
  store.topics.get = () => Promise.reject(new Error('a joined topic is known without the database'))
  expect(await call('GET', '/v1/topics/nowhere/messages')).toMatchObject({ status: 200, body: { items: [] } })
})

test('refuses more topics than the limit, and says so in 409', async () => {
  const { call, engine } = await appForTest({ limits: { maxJoinedTopics: 2 } })
  await call('PUT', '/v1/topics/a')
  await call('PUT', '/v1/topics/b')
  const refused = await call('PUT', '/v1/topics/c')
  const detail = expect.stringMatching(/at most 2 topics\. Leave one .*PEERGATE_MAX_JOINED_TOPICS/)
  expect(refused).toMatchObject({ status: 409, body: { code: 'topic_limit', retryable: false, detail } })
  expect(refused.headers['retry-after']).toBeUndefined()
  expect(await call('POST', '/v1/topics/c/messages', { json: { data: 'x' } })).toMatchObject({ status: 201 })
  expect(await call('GET', '/v1/topics/c')).toMatchObject({ body: { joined: false, messages: 1 } })
  expect(await engine.topics()).toEqual(['a', 'b'])
  expect(await call('PUT', '/v1/topics/a')).toMatchObject({ status: 200 })
  await call('DELETE', '/v1/topics/a')
  expect(await call('PUT', '/v1/topics/c')).toMatchObject({ status: 201 })
})

test.each([
  ['PUT', '/v1/topics/', undefined, 'invalid_topic'],
  ['PUT', '/v1/topics/%00', undefined, 'invalid_topic'],
  ['PUT', '/v1/topics/%2e%2e', undefined, 'invalid_topic'],
  ['PUT', '/v1/topics/tab%09', undefined, 'invalid_topic'],
  ['PUT', `/v1/topics/${'x'.repeat(257)}`, undefined, 'invalid_topic'],
  ['PUT', `/v1/topics/${'é'.repeat(129)}`, undefined, 'invalid_topic'],
  ['PUT', `/v1/topics/${'x'.repeat(3_100)}`, undefined, 'uri_too_long'],
  ['PUT', '/v1/topics/%E0%A4%A', undefined, 'invalid_request'],
  ['PUT', '/v1/topics/%ff', undefined, 'invalid_request'],
  ['PUT', '/v1/topics/a', { retention: { maxAge: 1 } }, 'invalid_request'],
  ['PUT', '/v1/topics/a?purge=true', undefined, 'invalid_request'],
  ['POST', '/v1/topics', {}, 'invalid_request'],
  ['POST', '/v1/topics', { topic: 7 }, 'invalid_request'],
  ['POST', '/v1/topics', { topic: '' }, 'invalid_topic'],
  ['POST', '/v1/topics', { topic: '.' }, 'invalid_topic'],
  ['POST', '/v1/topics', { topic: '\ud800' }, 'invalid_topic'],
  ['POST', '/v1/topics', { topic: 'x'.repeat(257) }, 'invalid_topic'],
  ['POST', '/v1/topics', { topic: 'a', extra: 1 }, 'invalid_request'],
  ['POST', '/v1/topics', undefined, 'invalid_request'],
  ['GET', '/v1/topics?limit=0', undefined, 'invalid_request'],
  ['GET', '/v1/topics?limit=501', undefined, 'invalid_request'],
  ['GET', '/v1/topics?limit=1e1', undefined, 'invalid_request'],
  ['GET', '/v1/topics?limit=', undefined, 'invalid_request'],
  ['GET', '/v1/topics?limit=1&limit=2', undefined, 'invalid_request'],
  ['GET', '/v1/topics?limti=1', undefined, 'invalid_request'],
  ['GET', '/v1/topics?__proto__=1', undefined, 'invalid_request'],
  ['GET', '/v1/topics?after=%00', undefined, 'invalid_topic'],
])('%s %s %j answers %s and joins nothing', async (method, path, json, code) => {
  const { call, store } = await appForTest()
  const answer = await call(method, path, json === undefined ? {} : { json })
  expect(answer.body.code).toBe(code)
  expect(answer.status).toBe(code === 'uri_too_long' ? 414 : 400)
  expect(await store.topics.joined()).toEqual([])
})

test('takes topics of 256 bytes of any script in a path', async () => {
  const { call } = await appForTest()
  for (const topic of ['x'.repeat(256), '話'.repeat(85), 'a b?c#d%e/f', 'ä\u0301']) {
    expect((await call('PUT', `/v1/topics/${encodeURIComponent(topic)}`)).body.topic).toBe(topic)
  }
})

test('sets what a topic keeps when it is joined and later, field by field', async () => {
  const { call } = await appForTest()
  const joined = await call('PUT', '/v1/topics/orders', { json: { retention: { maxMessages: 5 } } })
  expect(joined).toMatchObject({ status: 201, body: { retention: { ...byDefault, maxMessages: 5 } } })
  expect((await call('POST', '/v1/topics', { json: { topic: 'orders' } })).body.retention).toEqual({ ...byDefault, maxMessages: 5 })
  const patched = await call('PATCH', '/v1/topics/orders', { json: { retention: { maxAgeMs: 0, maxMessages: null } } })
  expect(patched).toMatchObject({ status: 200, body: { retention: { ...byDefault, maxAgeMs: 0 } } })
})

test.each([[{}], [{ retention: { maxMessages: -1 } }], [{ retention: { maxmessages: 1 } }], [{ retention: { maxAgeMs: 1.5 } }]])(
  'refuses to keep %j',
  async (json) => {
    const { call } = await appForTest()
    await call('PUT', '/v1/topics/orders')
    expect((await call('PATCH', '/v1/topics/orders', { json })).body.code).toBe('invalid_request')
    expect((await call('GET', '/v1/topics/orders')).body.retention).toEqual(byDefault)
  },
)

test('does not change what nobody joined', async () => {
  const { call } = await appForTest()
  const answer = await call('PATCH', '/v1/topics/nowhere', { json: { retention: { maxMessages: 1 } } })
  expect(answer).toMatchObject({ status: 404, body: { code: 'topic_not_found' } })
})

test('removes its messages with purge, and nobody reads them any more', async () => {
  const { call, publish } = await appForTest({ limits: { maxPruneMessages: 2 } })
  const before = await publish('orders', 'one')
  for (const data of ['two', 'three', 'four']) await publish('orders', data)
  await publish('others', 'stays')
  expect(await call('DELETE', '/v1/topics/orders?purge=true')).toMatchObject({ status: 204 })
  expect(await call('GET', '/v1/topics/orders')).toMatchObject({ status: 404 })
  expect(await call('GET', `/v1/messages/${before.id}`)).toMatchObject({ status: 404 })
  expect(await call('GET', `/v1/topics/orders/messages?after=${before.cursor}`)).toMatchObject({ status: 404 })
  expect(await call('GET', `/v1/messages?topic=orders&after=${before.cursor}`)).toMatchObject({
    status: 410,
    body: { code: 'cursor_expired' },
  })
  expect((await call('GET', '/v1/messages?after=earliest')).body.items.map(({ data }: { data: string }) => data)).toEqual(['stays'])
})

test('lists the clients because of which a topic is joined, the first one first', async () => {
  const { call, publish } = await appForTest()
  await publish('orders', 'one')
  await call('PUT', '/v1/topics/invoices')
  const { body: token } = await call('POST', '/v1/tokens', { json: { name: 'second', actions: ['admin', 'read'] } })
  const headers = { authorization: `Bearer ${token.secret}` }
  await call('PUT', '/v1/topics/orders', { headers })
  const { status, body } = await call('GET', '/v1/topics/orders/users', { headers })
  expect({ status, body }).toEqual({
    status: 200,
    body: {
      items: [
        { client: 'local', explicit: false, joinedAt: expect.any(String), usedAt: expect.any(String) },
        { client: token.id, explicit: true, joinedAt: expect.any(String), usedAt: expect.any(String) },
      ],
    },
  })
  await call('DELETE', '/v1/topics/orders', { headers })
  expect(await call('GET', '/v1/topics/orders/users', { headers })).toMatchObject({ status: 200, body: { items: [] } })
  expect(await call('GET', '/v1/topics/nowhere/users', { headers })).toMatchObject({ status: 404, body: { code: 'topic_not_found' } })
})
