import { describe, expect, onTestFinished, test } from 'vitest'
import { isMissing, storeKinds, storesForTests } from '../fixtures/every-store.ts'
import { createMemoryStore } from '../fixtures/memory-store.ts'
import { anyone, dataOf, receiver, stage } from './stage.ts'

const storeOf = storesForTests()

test('sends messages of its topics in the order of the log, in batches of at most its size, and stores how far it is', async () => {
  const { webhooks, create, publish } = await stage()
  await publish('orders', 'before')
  const { url, received } = await receiver()
  const { id, cursor } = await create({ url, topics: ['orders', 'news.>'], batchSize: 2 })
  for (const [topic, data] of [
    ['orders', '1'],
    ['other', 'x'],
    ['news.a', '2'],
    ['orders', '3'],
    ['orders', '4'],
  ] as const)
    await publish(topic, data)
  await expect.poll(() => dataOf(received)).toEqual(['1', '2', '3', '4'])
  expect(received.every(({ body }) => body.type === 'messages' && body.items.length <= 2)).toBe(true)
  await expect.poll(async () => (await webhooks.get(id, anyone)).acceptedAt).not.toBeNull()
  expect((await webhooks.get(id, anyone)).cursor).not.toBe(cursor)
  expect(new Set(received.map(({ headers }) => headers['webhook-id'])).size).toBe(received.length)
})

test('starts at its position, and waits batchMs for more messages', async () => {
  const { create, publish } = await stage()
  for (const data of ['1', '2', '3']) await publish('orders', data)
  const { url, received } = await receiver()
  await create({ url, after: 'earliest', batchMs: 20, batchSize: 100 })
  await expect.poll(() => dataOf(received)).toEqual(['1', '2', '3'])
  expect(received).toHaveLength(1)
})

test('a batch has at most maxWebhookBytes of data, but a larger message is sent by itself', async () => {
  const { create, publish } = await stage({ limits: { maxWebhookBytes: 10 } })
  for (const data of ['aaaaa', 'bbbbb', 'c', 'd'.repeat(20), 'e']) await publish('orders', data)
  const { url, received } = await receiver()
  await create({ url, after: 'earliest' })
  await expect
    .poll(() => received.map(({ body }) => body.items.map(({ data }) => data.slice(0, 1)).join('')))
    .toEqual(['ab', 'c', 'd', 'e'])
})

test('a request that failed is sent again, the same with the same id, before any later message', async () => {
  const { webhooks, create, publish, outcomes } = await stage({ limits: { lastWebhookRetryMs: 1 } })
  const { url, received } = await receiver((_, number) => ({ status: [500, 302, 204][number - 1] ?? 200 }))
  const { id } = await create({ url, batchSize: 1 })
  await publish('orders', '1')
  await publish('orders', '2')
  await expect.poll(() => dataOf(received)).toEqual(['1', '1', '1', '2'])
  const ids = received.map(({ headers }) => headers['webhook-id'])
  expect([ids[1], ids[2]]).toEqual([ids[0], ids[0]])
  expect(ids[3]).not.toBe(ids[0])
  expect(received[1]?.text).toBe(received[0]?.text)
  await expect.poll(() => outcomes).toEqual(['failed 1', 'failed 1', 'accepted 1', 'accepted 1'])
  await expect.poll(async () => (await webhooks.attempts(id, anyone)).map(({ status }) => status)).toEqual([200, 204, 302, 500])
  expect((await webhooks.attempts(id, anyone)).map(({ error }) => error)).toEqual([
    ...[null, null, 'the receiver answered with 302, and redirects are not followed', 'the receiver answered with 500'],
  ])
})

test('a begun batch is sent as it was after a crash, though more messages have come', async () => {
  const store = createMemoryStore()
  const first = await stage({ store })
  const { promise: hangs, resolve: letGo } = Promise.withResolvers<void>()
  onTestFinished(() => letGo())
  const { url, received } = await receiver(async (_, number) => {
    if (number === 1) await hangs
    return {}
  })
  await first.create({ url })
  await first.publish('orders', '1')
  await expect.poll(() => received.length).toBe(1)
  // What stops without noting anything is, for the database, what crashes.
  await first.webhooks.stop()
  const second = await stage({ store })
  await second.publish('orders', '2')
  await expect.poll(() => received.map(({ body }) => body.items.map(({ data }) => data))).toEqual([['1'], ['1'], ['2']])
  expect(received[1]?.headers['webhook-id']).toBe(received[0]?.headers['webhook-id'])
})

test('a gateway whose tail is behind the end of a begun batch sends no part of it, and all of it once it has caught up', async () => {
  const store = createMemoryStore()
  const first = await stage({ store })
  const { promise: hangs, resolve: letGo } = Promise.withResolvers<void>()
  onTestFinished(() => letGo())
  const { url, received } = await receiver(async (_, number) => {
    if (number === 1) await hangs
    return {}
  })
  const { id } = await first.create({ url, batchSize: 2, batchMs: 60_000 })
  await expect.poll(() => first.webhooks.active).toBe(1)
  await first.publish('orders', '1')
  const behind = await stage({ store, peerId: '12D3KooWHHzSeKaY8xuZVzkLbKFfvNgPPeKhFBGrMbNzbm5akpqu' })
  await first.publish('orders', '2')
  await expect.poll(() => dataOf(received)).toEqual(['1', '2'])
  await first.webhooks.stop()
  await expect.poll(() => behind.webhooks.active, { timeout: 10_000 }).toBe(1)
  await new Promise((resolve) => setTimeout(resolve, 300))
  expect(received).toHaveLength(1)
  for (const data of ['3', '4']) await behind.publish('orders', data)
  await expect
    .poll(() => received.map(({ body }) => body.items.map(({ data }) => data)))
    .toEqual([
      ['1', '2'],
      ['1', '2'],
      ['3', '4'],
    ])
  expect(received[1]?.headers['webhook-id']).toBe(received[0]?.headers['webhook-id'])
  expect((await behind.webhooks.get(id, anyone)).failures).toBe(0)
})

test('a batch that was begun in another log gives its id to no other messages', async () => {
  const store = createMemoryStore()
  const first = await stage({ store })
  const { url, received } = await receiver((_, number) => ({ status: number === 1 ? 503 : 200 }))
  const { id } = await first.create({ url })
  await first.publish('orders', '1')
  await expect.poll(async () => (await first.webhooks.get(id, anyone)).failures).toBe(1)
  await first.webhooks.stop()
  const other = createMemoryStore()
  const log = { ...other.log, position: async () => ({ ...(await other.log.position()), epoch: 'other' }) }
  const second = await stage({ store: { ...other, log, webhooks: store.webhooks } })
  await second.publish('orders', '2')
  await expect.poll(() => dataOf(received), { timeout: 10_000 }).toEqual(['1', '2'])
  expect(received[1]?.headers['webhook-id']).not.toBe(received[0]?.headers['webhook-id'])
  expect(received[1]?.body.gap).toEqual([expect.objectContaining({ reason: 'other-log' })])
  await second.publish('orders', '3')
  await expect.poll(() => dataOf(received)).toEqual(['1', '2', '3'])
})

test('waits for as long as Retry-After asks, up to an hour, and is tried at once when a client asks for it', async () => {
  const { webhooks, create, publish } = await stage({ limits: { lastWebhookRetryMs: 1 } })
  const asked = ['600', '999999999']
  const { url, received } = await receiver((_, number) => ({ status: 429, headers: { 'retry-after': asked[number - 1] ?? '0' } }))
  const { id } = await create({ url })
  await publish('orders', '1')
  const waits = async () => Date.parse((await webhooks.get(id, anyone)).retryAt ?? '') - Date.now()
  await expect.poll(waits).toBeGreaterThan(500_000)
  expect(await waits()).toBeLessThan(600_001)
  await webhooks.change(id, { state: 'active' }, anyone)
  await expect.poll(waits).toBeGreaterThan(3_500_000)
  expect(await waits()).toBeLessThan(3_600_001)
  expect(received).toHaveLength(2)
})

test('is paused once it has failed for maxWebhookFailingMs, and sends the same batch when it is resumed', async () => {
  const { webhooks, create, publish } = await stage({ limits: { lastWebhookRetryMs: 1, maxWebhookFailingMs: 1 } })
  const answer = { status: 503 }
  const { url, received } = await receiver(() => answer)
  const { id } = await create({ url })
  await publish('orders', '1')
  await expect.poll(async () => (await webhooks.get(id, anyone)).state).toBe('paused')
  const paused = await webhooks.get(id, anyone)
  expect(paused).toMatchObject({ lastError: 'the receiver answered with 503', retryAt: null })
  expect(paused.failingSince).not.toBeNull()
  answer.status = 200
  const before = received.length
  expect(await webhooks.change(id, { state: 'active' }, anyone)).toMatchObject({ state: 'active', failures: 0, lastError: null })
  await expect.poll(() => received.length).toBe(before + 1)
  expect(received.at(-1)?.headers['webhook-id']).toBe(received[0]?.headers['webhook-id'])
})

test('410 Gone pauses at once', async () => {
  const { webhooks, create, publish } = await stage()
  const { url, received } = await receiver(() => ({ status: 410 }))
  const { id } = await create({ url })
  await publish('orders', '1')
  await expect.poll(async () => (await webhooks.get(id, anyone)).state).toBe('paused')
  expect(received).toHaveLength(1)
})

test('replays from a position, and sends nothing while it is paused', async () => {
  const { webhooks, create, publish } = await stage()
  const { url, received } = await receiver()
  const { id } = await create({ url })
  await publish('orders', '1')
  await expect.poll(() => dataOf(received)).toEqual(['1'])
  await webhooks.change(id, { state: 'paused' }, anyone)
  await publish('orders', '2')
  await webhooks.change(id, { state: 'active', after: 'earliest' }, anyone)
  await expect.poll(() => dataOf(received)).toEqual(['1', '1', '2'])
})

test('tells of messages that the log no longer has, in the next body and in its state', async () => {
  const { webhooks, create, publish, store } = await stage({ limits: { maxRingMessages: 1 } })
  const { url, received } = await receiver()
  const { id } = await create({ url, topics: ['orders'] })
  await webhooks.change(id, { state: 'paused' }, anyone)
  for (const data of ['1', '2', '3']) await publish('orders', data)
  await publish('other', 'x')
  await store.log.prune({ topic: 'orders', defaults: { maxAgeMs: 0, maxMessages: 1, maxBytes: 0 }, now: Date.now(), limit: 100 })
  await webhooks.change(id, { state: 'active' }, anyone)
  await expect.poll(() => dataOf(received)).toEqual(['3'])
  const [{ body } = { body: undefined }] = received
  expect(body?.gap).toEqual([expect.objectContaining({ topic: 'orders', reason: 'pruned' })])
  expect((await webhooks.get(id, anyone)).gap).toEqual(body?.gap?.[0])
})

test.each([0, 1])('tells of messages that were pruned after their batch was begun, with %i of them left', async (left) => {
  const { webhooks, create, publish, store } = await stage({ limits: { maxRingMessages: 1 } })
  const answer = { status: 503 }
  const { url, received } = await receiver(() => answer)
  const { id } = await create({ url, topics: ['orders'], batchMs: 100 })
  for (const data of ['1', '2', '3']) await publish('orders', data)
  await expect.poll(async () => (await webhooks.get(id, anyone)).failures).toBeGreaterThan(0)
  expect(dataOf(received)).toEqual(['1', '2', '3'])
  await webhooks.change(id, { state: 'paused' }, anyone)
  await publish('other', 'x')
  if (left === 0) await publish('orders', '4')
  await store.log.prune({ topic: 'orders', defaults: { maxAgeMs: 0, maxMessages: 1, maxBytes: 0 }, now: Date.now(), limit: 100 })
  answer.status = 200
  received.length = 0
  await webhooks.change(id, { state: 'active' }, anyone)
  const sent = () => received.map(({ body }) => body.items.map(({ data }) => data))
  const first = left === 0 ? [['4']] : [['3']]
  await expect.poll(sent).toEqual(first)
  await expect.poll(async () => (await webhooks.get(id, anyone)).gap).toMatchObject({ topic: 'orders', reason: 'pruned' })
  await publish('orders', '5')
  await expect.poll(sent).toEqual([...first, ['5']])
  const told = received.flatMap(({ body }) => body.gap ?? [])
  expect(told).toEqual([expect.objectContaining({ topic: 'orders', reason: 'pruned' })])
})

test('ends with the rights of its owner, and says why', async () => {
  const { webhooks, create, publish, rights } = await stage()
  const { url, received } = await receiver()
  const { id } = await create({ url })
  rights.isOpen = false
  await publish('orders', '1')
  await publish('orders', '2')
  await expect.poll(async () => (await webhooks.get(id, anyone)).state).toBe('paused')
  expect((await webhooks.get(id, anyone)).lastError).toContain('a token is needed now')
  // A message that came before it looked may have been sent.
  expect(dataOf(received)).not.toContain('2')
})

test('a slow receiver holds up nobody', async () => {
  const { create, publish } = await stage()
  const { promise: hangs, resolve: letGo } = Promise.withResolvers<void>()
  onTestFinished(() => letGo())
  const slow = await receiver(async () => {
    await hangs
    return {}
  })
  const fast = await receiver()
  await create({ url: slow.url })
  await create({ url: fast.url })
  for (const data of ['1', '2', '3']) await publish('orders', data)
  await expect.poll(() => dataOf(fast.received)).toEqual(['1', '2', '3'])
  expect(slow.received).toHaveLength(1)
})

test('of maxWebhookRequests places, none is beyond the maximum', async () => {
  const { create, publish } = await stage({ limits: { maxWebhookRequests: 1 } })
  const { promise: hangs, resolve: letGo } = Promise.withResolvers<void>()
  onTestFinished(() => letGo())
  const { url, received } = await receiver(async () => {
    await hangs
    return {}
  })
  await create({ url })
  await create({ url })
  await publish('orders', '1')
  await expect.poll(() => received.length).toBe(1)
  letGo()
  await expect.poll(() => received.length).toBe(2)
})

describe.each(storeKinds)('of gateways that share a database (%s)', (kind) => {
  test.skipIf(isMissing(kind))('one delivers, and another takes over when its claim has run out', async () => {
    const store = await storeOf(kind)
    await store.start()
    onTestFinished(() => store.stop())
    const { url, received } = await receiver()
    const one = await stage({ store, peerId: '12D3KooWGzBVWSyX2WwYPxNSUAtV5E7aVvZLgzPZKbLsdFQhcZYz' })
    const other = await stage({ store, peerId: '12D3KooWHHzSeKaY8xuZVzkLbKFfvNgPPeKhFBGrMbNzbm5akpqu' })
    await one.create({ url })
    await expect.poll(() => one.webhooks.active + other.webhooks.active).toBe(1)
    const [holder, waiting] = one.webhooks.active === 1 ? [one, other] : [other, one]
    await holder.publish('orders', '1')
    await expect.poll(() => dataOf(received)).toEqual(['1'])
    // The other one sees a time at which the claim was not renewed: the holder hangs.
    waiting.clock.ms = 60_000
    await expect.poll(() => waiting.webhooks.active, { timeout: 10_000 }).toBe(1)
    await waiting.publish('orders', '2')
    await expect.poll(() => dataOf(received)).toEqual(['1', '2'])
    await holder.publish('orders', '3')
    await expect.poll(() => holder.webhooks.active, { timeout: 10_000 }).toBe(0)
    expect(dataOf(received).filter((data) => data === '3').length).toBeLessThan(2)
  })
})
