import { expect, test } from 'vitest'
import { appForTest, neighbour } from './app-for-test.ts'

const path = '/v1/topics/orders/messages'
/** The body that publishes messages, to `orders` unless they name a topic. */
const list = (...messages: object[]) => ({ messages: messages.map((message) => ({ topic: 'orders', ...message })) })
const octets = { 'content-type': 'application/octet-stream' }

test('publishes messages in their order, and answers each in its place', async () => {
  const { call } = await appForTest()
  const answer = await call('POST', '/v1/messages', {
    json: {
      messages: [
        { topic: 'a', data: 'one' },
        { topic: 'b', data: 'AP8=', encoding: 'base64' },
        { topic: 'a', data: '' },
      ],
    },
  })
  expect(answer.status).toBe(201)
  expect(answer.body.items.map(({ topic }: { topic: string }) => topic)).toEqual(['a', 'b', 'a'])
  const { body: page } = await call('GET', '/v1/messages?after=earliest')
  expect(page.items.map(({ id, data }: { id: string; data: string }) => [id, data])).toEqual(
    answer.body.items.map(({ id }: { id: string }, index: number) => [id, ['one', 'AP8=', ''][index]]),
  )
})

test('answers with the cursor in the log that stores the message, also when another log takes its place before the answer', async () => {
  const { call, store } = await appForTest()
  const { append } = store.log
  let epoch = 'memory'
  store.log.epoch = async () => epoch
  store.log.append = async (messages, keyed) => {
    const result = await append(messages, keyed)
    epoch = 'restored'
    return result
  }
  expect((await call('POST', path, { json: { data: 'one' } })).body.cursor).toBe('memory.1')
})

test('answers a list of one as a list', async () => {
  const { call } = await appForTest()
  const answer = await call('POST', '/v1/messages', { json: list({ data: 'one' }) })
  expect(answer.body.items).toHaveLength(1)
  expect(answer.headers).not.toHaveProperty('location')
})

test.each([
  ['/v1/messages', list({ data: 'fine' }, { data: 1 }), 'invalid_data', '/messages/1/data'],
  ['/v1/messages', list({ data: 'fine' }, { data: 'a', encoding: 'base64' }), 'invalid_data', '/messages/1/data'],
  ['/v1/messages', list({ data: 'fine' }, { data: 'a', encodng: 'base64' }), 'invalid_request', '/messages/1/encodng'],
  ['/v1/messages', list({ data: 'fine' }, { topic: '', data: 'fine' }), 'invalid_topic', '/messages/1/topic'],
  ['/v1/messages', list({ data: 'fine' }, { data: 'x'.repeat(101) }), 'message_too_large', '/messages/1/data'],
  ['/v1/messages', list({ data: 'x'.repeat(101) }), 'message_too_large', '/messages/0/data'],
  ['/v1/messages', list(), 'invalid_request', '/messages'],
  ['/v1/messages', list({ data: '1' }, { data: '2' }, { data: '3' }, { data: '4' }), 'invalid_request', '/messages'],
  ['/v1/messages', [{ topic: 'orders', data: 'one' }], 'invalid_request', ''],
  ['/v1/messages', { topic: 'orders', data: 'one' }, 'invalid_request', '/messages'],
  [path, { data: 'x'.repeat(101) }, 'message_too_large', '/data'],
  [path, [{ data: 'one' }], 'invalid_request', ''],
  [path, list({ data: 'one' }), 'invalid_request', '/data'],
  [path, 'text', 'invalid_request', ''],
])('publishes nothing of %s %j', async (to, json, code, where) => {
  const { call, store } = await appForTest({ limits: { maxPublishMessages: 3, maxMessageBytes: 100 } })
  const answer = await call('POST', to, { json })
  expect(answer.body.code).toBe(code)
  expect(answer.body.errors?.[0]?.path).toBe(where)
  expect((await store.log.position()).tip).toBe(0)
})

test('publishes bytes as they are', async () => {
  const { call } = await appForTest()
  const bytes = Buffer.from(Uint8Array.from({ length: 256 }, (_, index) => index))
  const one = await call('POST', path, { raw: bytes, headers: octets })
  expect(one.status).toBe(201)
  const empty = await call('POST', path, { raw: Buffer.alloc(0), headers: octets })
  expect(empty.status).toBe(201)
  expect((await call('GET', `/v1/messages/${one.body.id}/data`)).body).toEqual(bytes)
})

test.each([
  ['/v1/messages', octets, 'a', 415, undefined],
  [path, { ...octets, 'content-encoding': 'gzip' }, 'a', 415, undefined],
  [path, octets, 'x'.repeat(101), 413, '/data'],
  ['/v1/topics', octets, '{"topic":"a"}', 415, undefined],
])('refuses raw bytes: %s %j %j', async (to, headers, raw, status, where) => {
  const { call, store } = await appForTest({ limits: { maxMessageBytes: 100 } })
  const answer = await call('POST', to, { raw: Buffer.from(raw), headers })
  expect(answer.status).toBe(status)
  expect(answer.body.errors?.[0]?.path).toBe(where)
  expect((await store.log.position()).tip).toBe(0)
})

test('publishes once under an idempotency key, and repeats the answer', async () => {
  const { call, store } = await appForTest()
  const headers = { 'idempotency-key': 'order-17' }
  const json = list({ data: 'one' }, { data: 'two' })
  const first = await call('POST', '/v1/messages', { json, headers })
  const again = await call('POST', '/v1/messages', { json, headers })
  expect(again).toMatchObject({ status: 201, body: first.body, headers: { 'idempotent-replayed': 'true' } })
  expect(first.headers).not.toHaveProperty('idempotent-replayed')
  expect((await store.log.position()).tip).toBe(2)
})

test('repeats how many were reached', async () => {
  const { call, network } = await appForTest()
  const other = await neighbour(network, ['orders'])
  await call('POST', '/v1/peers', { json: { multiaddr: other.address } })
  const headers = { 'idempotency-key': 'order-17' }
  expect((await call('POST', path, { json: { data: 'one' }, headers })).body.recipients).toBe(1)
  await other.stop()
  expect((await call('POST', path, { json: { data: 'one' }, headers })).body.recipients).toBe(1)
})

test('a key belongs to what it published', async () => {
  const { call, store } = await appForTest()
  const headers = { 'idempotency-key': 'order-17' }
  expect((await call('POST', path, { json: { data: 'one' }, headers })).status).toBe(201)
  expect((await call('POST', path, { json: { data: 'two' }, headers })).body).toMatchObject({ status: 422, code: 'idempotency_key_reused' })
  expect((await call('POST', '/v1/topics/other/messages', { json: { data: 'one' }, headers })).status).toBe(422)
  // The same bytes, however they were written.
  const same = await call('POST', path, { json: { data: 'b25l', encoding: 'base64' }, headers })
  expect(same.headers['idempotent-replayed']).toBe('true')
  expect((await store.log.position()).tip).toBe(1)
})

test('a refused request leaves its key free', async () => {
  const { call } = await appForTest({ limits: { maxMessageBytes: 10 } })
  const headers = { 'idempotency-key': 'order-17' }
  expect((await call('POST', path, { json: { data: 'x'.repeat(11) }, headers })).status).toBe(413)
  expect((await call('POST', `${path}?minRecipients=1`, { json: { data: 'x' }, headers })).body.code).toBe('mesh_not_ready')
  expect((await call('POST', path, { json: { data: 'x' }, headers })).status).toBe(201)
})

test('of two requests with one key at once, one is told to wait', async () => {
  const { call, store } = await appForTest()
  const headers = { 'idempotency-key': 'order-17' }
  const answers = await Promise.all([1, 2, 3].map(() => call('POST', path, { json: { data: 'one' }, headers })))
  expect(answers.every(({ status }) => status === 201 || status === 409)).toBe(true)
  for (const { headers: answered, status } of answers) if (status === 409) expect(answered['retry-after']).toBe('1')
  expect(answers.filter(({ headers: answered, status }) => status === 201 && !('idempotent-replayed' in answered))).toHaveLength(1)
  expect((await store.log.position()).tip).toBe(1)
})

test.each(['', 'a b', 'ü', 'x'.repeat(256)])('refuses %j as an idempotency key', async (key) => {
  const { call, store } = await appForTest()
  const answer = await call('POST', path, { json: { data: 'one' }, headers: { 'idempotency-key': key } })
  expect(answer.body).toMatchObject({ code: 'invalid_request', errors: [{ path: '/idempotency-key' }] })
  expect((await store.log.position()).tip).toBe(0)
})

test('waits for peers of the topic before it publishes, and publishes nothing when they do not come', async () => {
  const { call, store, network } = await appForTest()
  const none = await call('POST', `${path}?minRecipients=1&waitMs=10`, { json: { data: 'one' } })
  expect(none).toMatchObject({ status: 503, body: { code: 'mesh_not_ready' } })
  expect((await store.log.position()).tip).toBe(0)
  const other = await neighbour(network)
  await call('POST', '/v1/peers', { json: { multiaddr: other.address } })
  const waiting = call('POST', `${path}?minRecipients=1&waitMs=50000`, { json: { data: 'one' } })
  await expect.poll(() => store.topics.joined()).toEqual(['orders'])
  await other.subscribe('orders')
  expect(await waiting).toMatchObject({ status: 201, body: { recipients: 1 } })
})

test.each(['minRecipients=-1', 'minRecipients=1001', 'waitMs=55001', 'waitMs=1.5', 'minrecipients=1'])('refuses ?%s', async (query) => {
  const { call } = await appForTest()
  expect((await call('POST', `${path}?${query}`, { json: { data: 'one' } })).body.code).toBe('invalid_request')
})
