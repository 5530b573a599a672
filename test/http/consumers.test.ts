import { expect, test } from 'vitest'
import { appForTest } from './app-for-test.ts'

const settings = { order: 'none', ackWaitMs: 30_000, maxUnacked: 1_000, maxDeliveries: 0, backoffMs: 1_000 }

test('a consumer is created, worked on, changed and removed', async () => {
  const { call, publish } = await appForTest()
  const input = { topics: ['orders.>'], after: 'earliest', maxDeliveries: 1 }
  const created = await call('PUT', '/v1/consumers/billing', { json: input })
  expect(created).toMatchObject({
    status: 201,
    body: { name: 'billing', topics: ['orders.>'], direct: false, ...settings, maxDeliveries: 1, gaps: 0 },
  })
  expect(await call('PUT', '/v1/consumers/billing', { json: input })).toMatchObject({ status: 200, body: created.body })
  expect(await call('PUT', '/v1/consumers/billing', { json: { topics: ['bills'] } })).toMatchObject({
    ...{ status: 409, body: { code: 'consumer_exists' } },
  })
  const ids = [await publish('orders.1', 'one'), await publish('orders.2', 'two'), await publish('orders.3', 'three')].map(({ id }) => id)
  const pulled = await call('POST', '/v1/consumers/billing/pull', { json: { limit: 2, encoding: 'base64' } })
  expect(pulled).toMatchObject({
    status: 200,
    body: {
      items: [
        { attempt: 1, message: { id: ids[0], data: 'b25l', encoding: 'base64' } },
        { attempt: 1, message: { id: ids[1] } },
      ],
    },
  })
  expect(await call('POST', '/v1/consumers/billing/acks', { json: { ids: [ids[0], 'x'] } })).toMatchObject({
    ...{ status: 200, body: { settled: [ids[0]], unknown: ['x'] } },
  })
  const claims = [pulled.body.items[1].claim]
  expect(await call('POST', '/v1/consumers/billing/acks', { json: { ids: [ids[1]], verdict: 'retry' } })).toMatchObject({
    ...{ status: 422, body: { code: 'parameters_conflict' } },
  })
  expect(await call('POST', '/v1/consumers/billing/acks', { json: { claims, verdict: 'retry', delayMs: 0 } })).toMatchObject({
    ...{ status: 200, body: { settled: claims, unknown: [] } },
  })
  expect(await call('GET', '/v1/consumers/billing')).toMatchObject({
    ...{ status: 200, body: { unacked: 0, waiting: 0, parked: 1, pending: 1, isPendingExact: true } },
  })
  const parked = await call('GET', '/v1/consumers/billing/parked')
  expect(parked).toMatchObject({ status: 200, body: { items: [{ id: ids[1], attempts: 1, message: { data: 'two' } }], next: null } })
  expect(await call('POST', '/v1/consumers/billing/parked/replay')).toMatchObject({ status: 200, body: { replayed: 1 } })
  expect(await call('PATCH', '/v1/consumers/billing', { json: { maxUnacked: 7 } })).toMatchObject({ status: 200, body: { maxUnacked: 7 } })
  expect(await call('GET', '/v1/consumers')).toMatchObject({ status: 200, body: { items: [{ name: 'billing', maxUnacked: 7 }] } })
  expect(await call('DELETE', '/v1/consumers/billing')).toMatchObject({ status: 204 })
  for (const [method, path] of [
    ['GET', ''],
    ['DELETE', ''],
    ['POST', '/pull'],
    ['GET', '/parked'],
  ] as const) {
    expect(await call(method, `/v1/consumers/billing${path}`)).toMatchObject({ status: 404, body: { code: 'consumer_not_found' } })
  }
})

test('parked messages come in pages', async () => {
  const { call, publish } = await appForTest()
  await call('PUT', '/v1/consumers/c', { json: { topics: ['orders'], maxDeliveries: 1 } })
  const ids = [await publish('orders', 'one'), await publish('orders', 'two'), await publish('orders', 'three')].map(({ id }) => id)
  const { body: pulled } = await call('POST', '/v1/consumers/c/pull')
  const claims = pulled.items.map(({ claim }: { claim: string }) => claim)
  await call('POST', '/v1/consumers/c/acks', { json: { claims, verdict: 'retry' } })
  const first = await call('GET', '/v1/consumers/c/parked?limit=2')
  expect(first.body).toMatchObject({ items: [{ id: ids[0] }, { id: ids[1] }], next: expect.any(String) })
  expect((await call('GET', `/v1/consumers/c/parked?after=${JSON.parse(JSON.stringify(first.body)).next}`)).body).toMatchObject({
    ...{ items: [{ id: ids[2] }], next: null },
  })
})

test.each([
  [{}, 'parameters_conflict'],
  [{ topics: ['a', 'b.>.c'] }, 'invalid_topic'],
  [{ topics: ['a'], maxUnacked: 0 }, 'invalid_request'],
  [{ topics: ['a'], ackWaitMs: 99 }, 'invalid_request'],
  [{ topics: Array.from({ length: 101 }, (_, index) => `t${index}`) }, 'invalid_request'],
  [{ topics: ['a'], after: 'nowhere' }, 'invalid_cursor'],
])('a consumer of %j is refused', async (json, code) => {
  const { call } = await appForTest()
  expect(await call('PUT', '/v1/consumers/c', { json })).toMatchObject({
    status: code === 'parameters_conflict' ? 422 : 400,
    body: { code },
  })
  expect((await call('GET', '/v1/consumers')).body).toEqual({ items: [] })
})

test('names and acknowledgements have bounds', async () => {
  const { call } = await appForTest()
  expect(await call('PUT', `/v1/consumers/${'n'.repeat(129)}`, { json: { topics: ['a'] } })).toMatchObject({ status: 400 })
  expect(await call('PUT', '/v1/consumers/a%00b', { json: { topics: ['a'] } })).toMatchObject({ status: 400 })
  await call('PUT', '/v1/consumers/c', { json: { topics: ['a'] } })
  expect(await call('POST', '/v1/consumers/c/acks', { json: { ids: Array(1_001).fill('x') } })).toMatchObject({ status: 400 })
  expect(await call('POST', '/v1/consumers/c/acks', { json: { ids: [] } })).toMatchObject({ status: 400 })
  expect(await call('POST', '/v1/consumers/c/pull', { json: { limit: 501 } })).toMatchObject({ status: 400 })
})

test('a token works on consumers whose topics it allows; who did not create one needs admin to change it', async () => {
  const { call } = await appForTest()
  const as = (secret: string) => ({ headers: { authorization: `Bearer ${secret}` } })
  const { body: admin } = await call('POST', '/v1/tokens', {
    json: { name: 'a', actions: ['admin', 'read', 'publish', 'consume'], topics: ['>'] },
  })
  const makeToken = async (actions: string[], topics: string[]) =>
    (await call('POST', '/v1/tokens', { ...as(admin.secret), json: { name: 't', actions, topics } })).body.secret
  const maker = as(await makeToken(['read', 'consume'], ['orders.>']))
  const worker = as(await makeToken(['read', 'consume'], ['>']))
  const stranger = as(await makeToken(['read', 'consume'], ['bills']))
  const reader = as(await makeToken(['read', 'publish'], ['>']))
  const json = { topics: ['orders.1'] }
  expect(await call('PUT', '/v1/consumers/c', { ...stranger, json })).toMatchObject({ status: 403 })
  expect(await call('PUT', '/v1/consumers/c', { ...reader, json })).toMatchObject({ status: 403 })
  expect(await call('PUT', '/v1/consumers/c', { ...maker, json: { ...json, direct: true } })).toMatchObject({ status: 403 })
  expect(await call('PUT', '/v1/consumers/c', { ...maker, json })).toMatchObject({
    status: 201,
    body: { createdBy: expect.stringMatching(/^tok_/) },
  })
  const ofConsumer = [
    ['GET', '', {}],
    ['POST', '/pull', {}],
    ['POST', '/acks', { json: { ids: ['x'] } }],
    ['GET', '/parked', {}],
    ['POST', '/parked/replay', {}],
  ] as const
  for (const [method, path, options] of ofConsumer) {
    expect(await call(method, `/v1/consumers/c${path}`, { ...worker, ...options })).toMatchObject({ status: 200 })
    expect(await call(method, `/v1/consumers/c${path}`, { ...stranger, ...options })).toMatchObject({ status: 403 })
    // To look is to read; to take and to acknowledge the work of others is not.
    expect(await call(method, `/v1/consumers/c${path}`, { ...reader, ...options })).toMatchObject({ status: method === 'GET' ? 200 : 403 })
  }
  expect((await call('GET', '/v1/consumers', worker)).body.items).toHaveLength(1)
  expect((await call('GET', '/v1/consumers', stranger)).body.items).toEqual([])
  for (const client of [worker, stranger]) {
    expect(await call('PATCH', '/v1/consumers/c', { ...client, json: { maxUnacked: 1 } })).toMatchObject({ status: 403 })
    expect(await call('DELETE', '/v1/consumers/c', client)).toMatchObject({ status: 403 })
  }
  expect(await call('PATCH', '/v1/consumers/c', { ...maker, json: { maxUnacked: 1 } })).toMatchObject({ status: 200 })
  expect(await call('DELETE', '/v1/consumers/c', as(admin.secret))).toMatchObject({ status: 204 })
})
