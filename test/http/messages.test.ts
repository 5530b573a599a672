import { expect, test } from 'vitest'
import { verifyMessage } from '../../src/model/signed-message.ts'
import { type AppForTest, appForTest, neighbour } from './app-for-test.ts'

interface Item {
  id: string
  cursor: string
  data: string
}

async function published(count: number, app: AppForTest): Promise<Item[]> {
  const items: Item[] = []
  for (let number = 0; number < count; number++) {
    const topic = number % 2 === 0 ? 'even' : 'odd'
    items.push({ ...(await app.publish(topic, `message ${number}`)), data: `message ${number}` })
  }
  return items
}

function data(items: Item[]): string[] {
  return items.map((item) => item.data.replace('message ', ''))
}

test('publishes on both paths: stored, signed, joined, and shown where Location says', async () => {
  const { call, engine, store } = await appForTest()
  const onPath = await call('POST', '/v1/topics/a%2Fb/messages', { json: { data: 'héllo' } })
  expect(onPath).toMatchObject({ status: 201, body: { topic: 'a/b', recipients: 0 } })
  const inBody = await call('POST', '/v1/messages', { json: { messages: [{ topic: 'a/b', data: '/wA=', encoding: 'base64' }] } })
  expect(inBody.status).toBe(201)

  expect(onPath.headers['location']).toBe(`/v1/messages/${onPath.body.id}`)
  expect(await call('GET', `/v1/messages/${onPath.body.id}`)).toMatchObject({
    status: 200,
    body: {
      id: onPath.body.id,
      cursor: onPath.body.cursor,
      kind: 'topic',
      topic: 'a/b',
      from: engine.peerId,
      data: 'héllo',
      encoding: 'utf8',
    },
  })
  expect((await call('GET', `/v1/messages/${inBody.body.items[0].id}`)).body).toMatchObject({ data: '/wA=', encoding: 'base64' })
  expect(await engine.topics()).toEqual(['a/b'])
  const stored = await store.log.get(onPath.body.id)
  expect(stored !== undefined && (await verifyMessage(stored))).toBe(true)
})

test('says how many peers a message was handed to', async () => {
  const { call, network } = await appForTest()
  for (const topics of [['orders'], ['orders'], ['other']]) {
    const { address } = await neighbour(network, topics)
    await call('POST', '/v1/peers', { json: { multiaddr: address } })
  }
  expect((await call('POST', '/v1/topics/orders/messages', { json: { data: '' } })).body.recipients).toBe(2)
})

test.each([
  [{ data: '\ud800' }, 'invalid_data', 422],
  [{ data: 'a', encoding: 'base64' }, 'invalid_data', 422],
  [{ data: 'YQ', encoding: 'base64' }, 'invalid_data', 422],
  [{ data: 'YR==', encoding: 'base64' }, 'invalid_data', 422],
  [{ data: '-_8=', encoding: 'base64' }, 'invalid_data', 422],
  [{ data: 'YQ==\n', encoding: 'base64' }, 'invalid_data', 422],
  [{ data: 'a', encoding: 'hex' }, 'invalid_request', 400],
  [{ data: 'a', encodign: 'base64' }, 'invalid_request', 400],
  [{ data: 7 }, 'invalid_data', 422],
  [{ data: null }, 'invalid_data', 422],
  [{ data: ['\ud800'], encoding: 'json' }, 'invalid_data', 422],
  [{ encoding: 'json' }, 'invalid_request', 400],
  [{}, 'invalid_request', 400],
  [[], 'invalid_request', 400],
  ['a', 'invalid_request', 400],
  [null, 'invalid_request', 400],
  [undefined, 'invalid_request', 400],
])('refuses the body %j as %s, and neither stores nor joins anything', async (json, code, status) => {
  const { call, store } = await appForTest()
  const answer = await call('POST', '/v1/topics/orders/messages', json === undefined ? {} : { json })
  expect(answer).toMatchObject({ status, body: { code, retryable: false } })
  expect(await store.topics.joined()).toEqual([])
  expect((await store.log.position()).tip).toBe(0)
})

test('names the field that is wrong', async () => {
  const { call } = await appForTest()
  const { body } = await call('POST', '/v1/messages', { json: { messages: [{ topic: '', encodign: 'x' }] } })
  expect(body.code).toBe('invalid_topic')
  expect(body.errors.map(({ path }: { path: string }) => path).toSorted()).toEqual([
    '/messages/0/data',
    '/messages/0/encodign',
    '/messages/0/topic',
  ])
})

test('tells a message that is too large from a body that is', async () => {
  const { call, store } = await appForTest({ limits: { maxMessageBytes: 100, maxBodyBytes: 1_024 } })
  expect(await call('POST', '/v1/topics/a/messages', { json: { data: 'é'.repeat(50) } })).toMatchObject({ status: 201 })
  expect(await call('POST', '/v1/topics/b/messages', { json: { data: 'é'.repeat(51) } })).toMatchObject({
    status: 413,
    body: { code: 'message_too_large' },
  })
  expect(await call('POST', '/v1/topics/b/messages', { json: { data: 'x'.repeat(1_024) } })).toMatchObject({
    status: 413,
    body: { code: 'body_too_large' },
  })
  expect(await store.topics.joined()).toEqual(['a'])
})

test('answers the newest page first when nothing is said, and goes back page by page', async () => {
  const app = await appForTest()
  await published(7, app)
  const pages: string[][] = []
  let query = '?limit=3'
  for (;;) {
    const { body } = await app.call('GET', `/v1/messages${query}`)
    pages.push(data(body.items))
    if (body.caughtUp) break
    query = `?limit=3&before=${body.older}`
  }
  expect(pages).toEqual([['6', '5', '4'], ['3', '2', '1'], ['0']])
})

test('goes on from a cursor, oldest first, until it has caught up, and then from where it stopped', async () => {
  const app = await appForTest()
  await published(7, app)
  const seen: string[] = []
  let after = 'earliest'
  for (;;) {
    const { body } = await app.call('GET', `/v1/topics/even/messages?limit=2&after=${after}`)
    seen.push(...data(body.items))
    after = body.newer
    if (body.caughtUp) break
  }
  expect(seen).toEqual(['0', '2', '4', '6'])
  expect((await app.call('GET', `/v1/messages?after=${after}`)).body).toMatchObject({ items: [], newer: after, caughtUp: true })
  await app.publish('even', 'message 8')
  expect(data((await app.call('GET', `/v1/messages?after=${after}`)).body.items)).toEqual(['8'])
})

test('every page, an empty one too, has the positions before and after it, whichever order it is in', async () => {
  const app = await appForTest()
  const get = async (query: string) => (await app.call('GET', `/v1/messages?${query}`)).body
  const follows = async (page: { newer: string; older: string }) => [
    data((await get(`after=${page.newer}`)).items),
    data((await get(`before=${page.older}`)).items),
  ]
  const none = await get('limit=2')
  expect(none).toMatchObject({ items: [], caughtUp: true })
  expect(await follows(none)).toEqual([[], []])
  const items = await published(6, app)
  expect(await follows(none)).toEqual([['0', '1', '2', '3', '4', '5'], []])
  expect(await follows(await get(`after=${items[1]?.cursor}&limit=2`))).toEqual([
    ['4', '5'],
    ['1', '0'],
  ])
  expect(await follows(await get(`before=${items[4]?.cursor}&limit=2`))).toEqual([
    ['4', '5'],
    ['1', '0'],
  ])
  expect(await follows(await get('after=latest'))).toEqual([[], ['5', '4', '3', '2', '1', '0']])
  expect(await get(`before=${(await get('after=latest')).newer}2`)).toMatchObject({ code: 'cursor_ahead' })
})

test('reads between two cursors in either order, both excluded', async () => {
  const app = await appForTest()
  const items = await published(6, app)
  const range = `after=${items[1]?.cursor}&before=${items[5]?.cursor}`
  const asc = await app.call('GET', `/v1/messages?${range}`)
  expect(data(asc.body.items)).toEqual(['2', '3', '4'])
  const desc = await app.call('GET', `/v1/messages?${range}&order=desc&limit=2`)
  expect(data(desc.body.items)).toEqual(['4', '3'])
  expect(desc.body.caughtUp).toBe(false)
  const rest = await app.call('GET', `/v1/messages?after=${items[1]?.cursor}&before=${desc.body.older}&order=desc`)
  expect(data(rest.body.items)).toEqual(['2'])
  expect(rest.body.caughtUp).toBe(true)
})

test.each([
  ['topic=even', ['6', '4', '2', '0']],
  ['topic=even&topic=odd&limit=2', ['6', '5']],
  ['topic=*&limit=1', ['6']],
  ['topic=%3E&limit=2', ['6', '5']],
  ['topic=*.even&topic=even.>', []],
  ['topic=nobody', []],
  ['kind=topic&limit=1', ['6']],
  ['kind=direct', []],
  ['since=2999-01-01T00:00:00Z', []],
  ['until=1999-01-01T00:00:00%2B02:00', []],
  ['since=1999-01-01T00:00:00.000Z&order=asc&limit=2', ['0', '1']],
  ['before=earliest', []],
  ['before=latest&limit=2', ['6', '5']],
  ['after=latest', []],
  ['after=latest&order=desc', []],
  ['from=12D3KooWGzBVWSyX2WwYPxNSUAtV5E7aVvZLgzPZKbLsdFQhcZYz', []],
])('filters by %s', async (query, expected) => {
  const app = await appForTest()
  await published(7, app)
  const { status, body } = await app.call('GET', `/v1/messages?${query}`)
  expect(status).toBe(200)
  expect(data(body.items)).toEqual(expected)
})

test('finds messages by their author in every form of its peer id', async () => {
  const app = await appForTest()
  await published(2, app)
  expect((await app.call('GET', `/v1/messages?from=${app.engine.peerId}`)).body.items).toHaveLength(2)
})

test('a pattern is taken where topics are chosen, refused where one topic is named, and never without effect', async () => {
  const { call, publish, store } = await appForTest()
  await publish('star.s', 'message 1')
  expect(data((await call('GET', '/v1/messages?topic=star.*')).body.items)).toEqual(['1'])
  const json = { data: 'x' }
  const refused = [
    await call('GET', '/v1/topics/star.*/messages'),
    await call('POST', '/v1/topics/star.*/messages', { json }),
    await call('POST', '/v1/messages', { json: { messages: [{ topic: 'star.*', ...json }] } }),
    await call('PUT', '/v1/topics/star%3E'),
    await call('POST', '/v1/topics', { json: { topic: '*' } }),
    await call('GET', '/v1/messages?topic=star*'),
    await call('GET', '/v1/messages?topic=star.%3E.one'),
  ]
  expect(refused.map(({ status, body }) => `${status} ${body.code}`)).toEqual(refused.map(() => '400 invalid_topic'))
  expect(await store.topics.joined()).toEqual(['star.s'])
})

test('gives data as base64 to those who ask', async () => {
  const { call, publish } = await appForTest()
  const { id } = await publish('orders', 'a')
  const asked = { data: 'YQ==', encoding: 'base64' }
  expect((await call('GET', `/v1/messages/${id}?encoding=base64`)).body).toMatchObject(asked)
  expect((await call('GET', '/v1/messages?encoding=base64')).body.items).toMatchObject([asked])
  expect((await call('GET', '/v1/topics/orders/messages?encoding=base64')).body.items).toMatchObject([asked])
})

test.each([
  ['after=nonsense', 400, 'invalid_cursor'],
  ['after=memory.01', 400, 'invalid_cursor'],
  ['after=', 400, 'invalid_cursor'],
  ['before=memory.-1', 400, 'invalid_cursor'],
  ['after=memory.9007199254740993', 400, 'invalid_cursor'],
  ['after=other.1', 409, 'cursor_epoch_mismatch'],
  ['before=other.1', 409, 'cursor_epoch_mismatch'],
  ['after=memory.99', 409, 'cursor_ahead'],
  ['before=memory.99', 409, 'cursor_ahead'],
  [`after=${'x'.repeat(65)}`, 400, 'invalid_request'],
  ['after=latest&after=latest', 400, 'invalid_request'],
  ['order=ascending', 400, 'invalid_request'],
  ['kind=any', 400, 'invalid_request'],
  ['encoding=hex', 400, 'invalid_request'],
  ['since=yesterday', 400, 'invalid_request'],
  ['since=2026-02-30T00:00:00Z', 400, 'invalid_request'],
  ['waitms=1', 400, 'invalid_request'],
  ['topic=', 400, 'invalid_topic'],
  ['topic=a&topic=%00', 400, 'invalid_topic'],
  ['from=me', 400, 'invalid_peer_id'],
  ['topic=%zz', 400, 'invalid_request'],
  ['topic=%ff', 400, 'invalid_request'],
])('answers %s with %s %s', async (query, status, code) => {
  const app = await appForTest()
  await published(3, app)
  const answer = await app.call('GET', `/v1/messages?${query}`)
  expect(answer).toMatchObject({ status, body: { code } })
  if (status === 409) expect(answer.body).toMatchObject({ epoch: 'memory', earliest: 'memory.0', latest: 'memory.3' })
})

test('answers 410 with where to go on when messages that match were pruned', async () => {
  const app = await appForTest()
  await published(3, app)
  const position = { epoch: 'memory', tip: 3, earliest: 2, prunedThrough: 2, pruneCount: 0, messages: 0 }
  app.store.log.position = async () => position
  expect(await app.call('GET', '/v1/messages?after=memory.1')).toMatchObject({
    status: 410,
    body: { code: 'cursor_expired', epoch: 'memory', earliest: 'memory.2', latest: 'memory.3', retryable: false },
  })
  expect(await app.call('GET', '/v1/messages?after=memory.2')).toMatchObject({ status: 200 })
})

test('does not find a message that is not there', async () => {
  const { call } = await appForTest()
  for (const path of ['/v1/messages/nothing', '/v1/messages/nothing/data']) {
    expect(await call('GET', path)).toMatchObject({ status: 404, body: { code: 'message_not_found' } })
  }
})

test('hands out the bytes as they are, as a download that may be kept', async () => {
  const { call } = await appForTest()
  const { body } = await call('POST', '/v1/topics/a/messages', { json: { data: '/wA8c2NyaXB0Pg==', encoding: 'base64' } })
  const path = `/v1/messages/${body.id}/data`
  const answer = await call('GET', path)
  expect(answer.body).toEqual(Buffer.from('/wA8c2NyaXB0Pg==', 'base64'))
  expect(answer.headers).toMatchObject({
    'content-type': 'application/octet-stream',
    'content-disposition': `attachment; filename="${body.id}.bin"`,
    'x-content-type-options': 'nosniff',
    'cache-control': expect.stringContaining('immutable'),
    'content-length': '10',
  })
  const etag = answer.headers['etag'] ?? ''
  for (const condition of [etag, `"x", W/${etag}`, '*']) {
    expect(await call('GET', path, { headers: { 'if-none-match': condition } })).toMatchObject({ status: 304 })
  }
  expect(await call('GET', path, { headers: { 'if-none-match': '"x"' } })).toMatchObject({ status: 200 })
})

test('an empty page waits for messages that match, as long as it was asked to', async () => {
  const { call, publish } = await appForTest()
  await publish('orders', 'before')
  const empty = await call('GET', '/v1/topics/orders/messages?after=latest&waitMs=20')
  expect(empty.body).toMatchObject({ items: [], caughtUp: true })
  const waiting = call('GET', `/v1/topics/orders/messages?after=${empty.body.newer}&waitMs=50000`)
  await publish('others', 'no')
  await publish('orders', 'after')
  expect((await waiting).body.items.map(({ data }: { data: string }) => data)).toEqual(['after'])
  const all = await call('GET', '/v1/messages?after=earliest&waitMs=50000')
  expect(all.body.items).toHaveLength(3)
})

test('maxLongPolls: one more request that would wait is refused', async () => {
  const { call, publish } = await appForTest({ limits: { maxLongPolls: 1 } })
  const waiting = call('GET', '/v1/messages?after=latest&waitMs=50000')
  const refused = () => call('GET', '/v1/messages?after=latest&waitMs=1')
  await expect.poll(async () => (await refused()).body.code).toBe('overloaded')
  await publish('orders', 'x')
  expect((await waiting).status).toBe(200)
  expect((await refused()).status).toBe(200)
})

test.each([
  ['waitMs=10', 'parameters_conflict'],
  ['waitMs=10&after=earliest&order=desc', 'parameters_conflict'],
  ['waitMs=55001&after=latest', 'invalid_request'],
])('does not wait with ?%s', async (query, code) => {
  const { call } = await appForTest()
  expect((await call('GET', `/v1/messages?${query}`)).body).toMatchObject({ code, errors: [{ path: '/waitMs' }] })
})

test('a walk from the earliest goes on where topics keep different amounts, and is told what is pruned on its way', async () => {
  const { call, publish, store } = await appForTest()
  await publish('long', '1')
  for (const data of ['2', '3', '4']) await publish('short', data)
  await publish('long', '5')
  const prune = async (limit: number) =>
    store.log.prune({
      defaults: { maxAgeMs: 0, maxMessages: 0, maxBytes: 0 },
      now: Date.now(),
      topic: 'short',
      limit,
      through: Number.MAX_SAFE_INTEGER,
    })
  await prune(2)
  const first = await call('GET', '/v1/messages?after=earliest&limit=1')
  expect(first.body).toMatchObject({ items: [{ data: '1' }], caughtUp: false })
  const second = await call('GET', `/v1/messages?after=${first.body.newer}&limit=1`)
  expect(second.body).toMatchObject({ items: [{ data: '4' }] })
  expect(await call('GET', `/v1/messages?after=${first.body.items[0].cursor}`)).toMatchObject({ status: 410 })
  expect(await call('GET', `/v1/topics/long/messages?after=${first.body.items[0].cursor}`)).toMatchObject({ status: 200 })
  await prune(1)
  expect(await call('GET', `/v1/messages?after=${first.body.newer}`)).toMatchObject({ status: 410, body: { code: 'cursor_expired' } })
  expect(await call('GET', `/v1/messages?after=${second.body.newer}`)).toMatchObject({ status: 200 })
})

test.each([
  ['/v1/messages?count=true&limit=2', 7],
  ['/v1/messages?count=true&limit=2&after=earliest', 7],
  ['/v1/messages?count=true&limit=500', 7],
  ['/v1/topics/even/messages?count=true&limit=1', 4],
  ['/v1/messages?count=true&topic=even&topic=odd&limit=1', 7],
  ['/v1/messages?count=true&topic=*&topic=even&limit=1', 7],
  ['/v1/messages?count=true&kind=direct', 0],
  ['/v1/messages?count=true&limit=1&since=2999-01-01T00:00:00Z', 0],
  ['/v1/messages?count=true&limit=1&since=1999-01-01T00:00:00Z', 7],
  ['/v1/messages?count=true&limit=1&after=memory.2', 5],
  ['/v1/messages?count=true&limit=1&after=memory.2&before=memory.6&order=desc', 3],
  ['/v1/topics/odd/messages?count=true&limit=1&before=memory.6', 2],
  ['/v1/topics/odd/messages?count=true&after=latest', 0],
])('counts what matches in the whole range: %s', async (path, count) => {
  const app = await appForTest()
  await published(7, app)
  expect((await app.call('GET', path)).body).toMatchObject({ count, countIsExact: true })
})

test('counts only where that is asked', async () => {
  const app = await appForTest()
  await published(1, app)
  for (const query of ['', '?count=false']) expect((await app.call('GET', `/v1/messages${query}`)).body.count).toBeUndefined()
})

test('purges a topic up to a cursor, and all of it, without leaving it', async () => {
  const app = await appForTest({ limits: { maxPruneMessages: 2 } })
  const { call, engine, store } = app
  const items = await published(9, app)
  const purge = async (through: string) => await call('DELETE', `/v1/topics/even/messages?through=${through}`)
  const left = async (topic: string) => data((await call('GET', `/v1/topics/${topic}/messages?after=earliest`)).body.items)
  expect(await purge(items[5]?.cursor ?? '')).toMatchObject({ status: 200, body: { removed: 3 } })
  expect([await left('even'), await left('odd')]).toEqual([
    ['6', '8'],
    ['1', '3', '5', '7'],
  ])
  // A cursor whose messages are gone is no error: there is nothing to do.
  expect(await purge(items[0]?.cursor ?? '')).toMatchObject({ status: 200, body: { removed: 0 } })
  expect(await call('GET', `/v1/messages?after=${items[1]?.cursor}`)).toMatchObject({ status: 410 })
  expect(await call('GET', `/v1/topics/odd/messages?after=${items[1]?.cursor}`)).toMatchObject({ status: 200 })
  expect((await purge('latest')).body).toEqual({ removed: 2 })
  expect([await left('even'), await left('odd')]).toEqual([[], ['1', '3', '5', '7']])
  expect(await store.log.unknown(items.map(({ id }) => id))).toEqual([])
  expect(await engine.topics()).toContain('even')
  expect((await store.audit.list({ limit: 10 })).map(({ act }) => act)).toContain('purgeTopic')
})

test('deletes one message: it is gone, readers are told of its place, and the audit log has who did it', async () => {
  const app = await appForTest()
  const { call, store } = app
  const items = await published(4, app)
  const [first, gone] = items
  expect(await call('DELETE', `/v1/messages/${gone?.id}`)).toMatchObject({ status: 204 })
  for (const path of ['', '/data']) expect((await call('GET', `/v1/messages/${gone?.id}${path}`)).body.code).toBe('message_not_found')
  const gap = { topic: 'odd', from: first?.cursor, to: gone?.cursor, reason: 'deleted' }
  for (const path of ['/v1/messages?after=earliest&count=true', '/v1/messages?order=asc', '/v1/topics/odd/messages?after=earliest'])
    expect((await call('GET', path)).body.gaps).toEqual([gap])
  expect((await call('GET', '/v1/messages?after=earliest&count=true')).body.count).toBe(3)
  expect((await call('GET', '/v1/topics/even/messages?after=earliest')).body.gaps).toBeUndefined()
  expect((await call('GET', `/v1/messages?after=${gone?.cursor}`)).body.gaps).toBeUndefined()
  expect((await call('GET', '/v1/topics/odd')).body).toMatchObject({ messages: 1, bytes: 'message 3'.length })
  expect((await store.audit.list({ limit: 1 }))[0]).toMatchObject({ act: 'deleteMessage', detail: { params: { id: gone?.id } } })
  expect(await call('DELETE', `/v1/messages/${gone?.id}`)).toMatchObject({ status: 404, body: { code: 'message_not_found' } })
})

test.each([
  ['/v1/topics/even/messages', 400, 'invalid_request'],
  ['/v1/topics/even/messages?through=nonsense', 400, 'invalid_cursor'],
  ['/v1/topics/even/messages?through=other.1', 409, 'cursor_epoch_mismatch'],
  ['/v1/topics/even/messages?through=memory.99', 409, 'cursor_ahead'],
  ['/v1/topics/nowhere/messages?through=latest', 404, 'topic_not_found'],
])('DELETE %s removes nothing: %s %s', async (path, status, code) => {
  const app = await appForTest()
  await published(3, app)
  expect(await app.call('DELETE', path)).toMatchObject({ status, body: { code } })
  expect((await app.store.log.position()).messages).toBe(3)
})
