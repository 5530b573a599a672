import { expect, test } from 'vitest'
import { StoreUnavailable } from '../../src/errors.ts'
import { claimMs } from '../../src/webhooks/deliverer.ts'
import { cluster, gateway, owner, renewMs, slowReceiver } from './cluster.ts'
import { dataOf, receiver } from './stage.ts'

test('renews its claims: another gateway takes over only from one that stands still, which then ends its deliveries', async () => {
  const shared = await cluster()
  const { url, received } = await slowReceiver()
  await shared.add(url)
  await shared.publish('orders', '1')
  const [one, other] = [gateway(shared, { by: 'one' }), gateway(shared, { by: 'other' })]
  await one.start()
  await other.start()
  await expect.poll(() => received).toHaveLength(1)
  for (let passed = 0; passed < 2 * claimMs; passed += renewMs) {
    shared.clock.ms += renewMs
    await one.look()
    await other.look()
    expect([one.deliverer.active, other.deliverer.active]).toEqual([1, 0])
  }

  shared.clock.ms += claimMs - 1
  await other.look()
  expect(other.deliverer.active).toBe(0)
  shared.clock.ms += 1
  await other.look()
  await expect.poll(() => received).toHaveLength(2)
  expect(received[1]?.headers['webhook-id']).toBe(received[0]?.headers['webhook-id'])
  expect(one.deliverer.active).toBe(1)
  await one.look()
  await expect.poll(() => one.deliverer.active).toBe(0)
  expect(one.events).toContain('request is cut')
  await other.look()
  expect(other.deliverer.active).toBe(1)
})

test('a look leaves deliveries in progress alone', async () => {
  const shared = await cluster()
  const { url, received } = await slowReceiver()
  await shared.add(url)
  await shared.publish('orders', '1')
  const { start, look, deliverer, events } = gateway(shared)
  await start()
  await expect.poll(() => received).toHaveLength(1)
  shared.clock.ms += renewMs
  await look()
  expect([deliverer.active, events.filter((event) => event.startsWith('request'))]).toEqual([1, ['request']])
})

test('looks once a second for webhooks that other gateways have added', async () => {
  const shared = await cluster()
  const { start, deliverer, ticks } = gateway(shared)
  await start()
  await shared.add('http://127.0.0.1:9/')
  expect(ticks).toHaveLength(1)
  for (const tick of ticks) tick()
  await expect.poll(() => deliverer.active).toBe(1)
})

test('takes over the claims of its earlier run at once, and of nobody else', async () => {
  const shared = await cluster()
  await shared.add('http://127.0.0.1:9/')
  const claim = (by: string) => ({ by, now: shared.clock.ms, until: shared.clock.ms + claimMs, limit: 1 })
  expect(await shared.store.webhooks.claim(claim('here'))).toHaveLength(1)
  await shared.add('http://127.0.0.1:9/')
  expect(await shared.store.webhooks.claim(claim('other'))).toHaveLength(1)
  const { start, look, deliverer } = gateway(shared)
  await start()
  expect(deliverer.active).toBe(1)
  shared.clock.ms += claimMs
  await look()
  expect(deliverer.active).toBe(2)
})

test('looks again after a database that did not answer, for the claims of its earlier run too', async () => {
  const shared = await cluster()
  await shared.add('http://127.0.0.1:9/')
  const { clock, store } = shared
  await store.webhooks.claim({ by: 'here', now: clock.ms, until: clock.ms + claimMs, limit: 1 })
  let isAway = true
  let refused = 0
  const { startBeforeLooks, look, deliverer } = gateway(shared, {
    webhooks: {
      async disown(by) {
        if (!isAway) return await store.webhooks.disown(by)
        refused++
        throw new StoreUnavailable('The database is away.')
      },
    },
  })
  await startBeforeLooks()
  await expect.poll(() => refused).toBe(1)
  expect(deliverer.active).toBe(0)
  isAway = false
  await look()
  expect(deliverer.active).toBe(1)
})

test('joins the topics of a webhook for its client while it delivers it, and none for a pattern', async () => {
  const shared = await cluster()
  const { url, received } = await receiver()
  const id = await shared.add(url, { topics: ['orders', 'news.>', 'bills'] })
  const { start, look, deliverer, events } = gateway(shared)
  const topics = () => events.filter((event) => /^(join|leave) /.test(event)).toSorted()
  await shared.publish('orders', '1')
  await start()
  await expect.poll(() => dataOf(received)).toEqual(['1'])
  const joins = ['join bills for local', 'join orders for local']
  expect(topics()).toEqual(joins)
  await shared.store.webhooks.remove(id)
  shared.clock.ms += renewMs
  await look()
  await expect.poll(() => deliverer.active).toBe(0)
  expect(topics()).toEqual([...joins, 'leave bills', 'leave orders'])
})

test('delivers a webhook whose topics find no room', async () => {
  const shared = await cluster()
  const { url, received } = await receiver()
  await shared.add(url)
  const { start, room } = gateway(shared)
  room.isThere = false
  await start()
  await shared.publish('orders', '1')
  await expect.poll(() => dataOf(received)).toEqual(['1'])
})

test('cuts a request in progress when the rights of the owner end, and pauses the webhook with the reason', async () => {
  const shared = await cluster()
  const { url, received } = await slowReceiver()
  const id = await shared.add(url)
  await shared.publish('orders', '1')
  const { start, deliverer, events, endings, rights } = gateway(shared)
  await start()
  await expect.poll(() => received).toHaveLength(1)
  expect(endings.watched.tokens).toEqual([owner])
  rights.ended = 'The token was revoked.'
  endings.end(owner)
  await expect.poll(() => events).toContain('request is cut')
  const webhookNow = async () => await shared.store.webhooks.get(id)
  await expect.poll(webhookNow).toMatchObject({ state: 'paused', progress: { lastError: 'The token was revoked.' } })
  await expect.poll(() => deliverer.active).toBe(0)
  expect([received.length, endings.watched.tokens]).toEqual([1, []])
})

test('pauses a webhook whose owner had lost its rights before', async () => {
  const shared = await cluster()
  const { url, received } = await receiver()
  const id = await shared.add(url)
  await shared.publish('orders', '1')
  const { start, endings, rights } = gateway(shared)
  rights.ended = 'The token was revoked.'
  endings.end(owner)
  await start()
  await expect.poll(async () => (await shared.store.webhooks.get(id))?.state).toBe('paused')
  expect(received).toEqual([])
})

test('tries a delivery that failed again once its claim has run out, and not before', async () => {
  const shared = await cluster()
  const { url, received } = await receiver()
  await shared.add(url)
  await shared.publish('orders', '1')
  let failures = 0
  const { start, look, deliverer } = gateway(shared, {
    webhooks: {
      async note(claim, noted) {
        if (failures > 0) return await shared.store.webhooks.note(claim, noted)
        failures++
        throw new StoreUnavailable('The database is away.')
      },
    },
  })
  await start()
  await expect.poll(() => [failures, deliverer.active]).toEqual([1, 0])
  shared.clock.ms += claimMs - 1
  await look()
  expect(deliverer.active).toBe(0)
  shared.clock.ms += 1
  await look()
  await expect.poll(() => dataOf(received)).toEqual(['1'])
})

test('begins a changed webhook anew after the delivery in progress, which it cuts', async () => {
  const shared = await cluster()
  const [before, after] = [await slowReceiver(), await slowReceiver()]
  const id = await shared.add(before.url)
  await shared.publish('orders', '1')
  const [one, other] = [gateway(shared, { by: 'one' }), gateway(shared, { by: 'other' })]
  await one.start()
  await expect.poll(() => before.received).toHaveLength(1)
  const letItEnd = one.holdRequests()
  const settings = (await shared.store.webhooks.get(id))?.settings
  if (settings === undefined) throw new Error('the webhook is gone')
  await shared.change(id, { settings: { ...settings, url: after.url } })
  await one.look()
  expect(one.events).toEqual(['claims end', 'join orders for local', 'request', 'request is cut'])
  letItEnd()
  await expect.poll(() => dataOf(after.received)).toEqual(['1'])
  // The end of the old delivery has given up neither the new one nor its claim.
  await one.look()
  await other.start()
  expect(one.events.slice(4)).toEqual(['request is over', 'leave orders', 'join orders for local', 'request'])
  expect([one.deliverer.active, other.deliverer.active]).toEqual([1, 0])
})

test('stops after its requests in progress, gives up its claims, and claims nothing more', async () => {
  const shared = await cluster()
  const { url, received } = await slowReceiver()
  await shared.add(url)
  await shared.publish('orders', '1')
  const [one, other] = [gateway(shared, { by: 'one' }), gateway(shared, { by: 'other' })]
  await one.start()
  await expect.poll(() => received).toHaveLength(1)
  const letItEnd = one.holdRequests()
  const stopped = one.deliverer.stop()
  await expect.poll(() => one.events).toContain('request is cut')
  // Has the database do what was asked of it before.
  await shared.store.webhooks.get('')
  letItEnd()
  await stopped
  expect(one.events.slice(-4)).toEqual(['request is cut', 'request is over', 'leave orders', 'claims end'])
  expect(one.deliverer.active).toBe(0)
  one.deliverer.wake()
  await other.start()
  expect([one.deliverer.active, other.deliverer.active]).toEqual([0, 1])
  await expect.poll(() => received).toHaveLength(2)
})

test('starts again after it was stopped', async () => {
  const shared = await cluster()
  const { url, received } = await receiver()
  await shared.add(url)
  const { start, deliverer } = gateway(shared)
  await start()
  await deliverer.stop()
  await shared.publish('orders', '1')
  await start()
  await expect.poll(() => dataOf(received)).toEqual(['1'])
})

test('gateways share webhooks: each is delivered by one of them', async () => {
  const shared = await cluster()
  const { url, received } = await receiver()
  const ids = []
  for (let count = 0; count < 70; count++) ids.push(await shared.add(url))
  await shared.publish('orders', '1')
  const [one, other] = [gateway(shared, { by: 'one' }), gateway(shared, { by: 'other' })]
  await Promise.all([one.start(), other.start()])
  await expect.poll(() => received).toHaveLength(70)
  shared.clock.ms += renewMs
  await Promise.all([one.look(), other.look()])
  expect(one.deliverer.active + other.deliverer.active).toBe(70)
  expect(received.map(({ text }) => JSON.parse(text).webhook).toSorted()).toEqual(ids.toSorted())
})

test('claims as many as there are without a pause, though one look claims 50', async () => {
  const shared = await cluster()
  for (let count = 0; count < 120; count++) await shared.add('http://127.0.0.1:9/')
  const { startBeforeLooks, deliverer } = gateway(shared)
  await startBeforeLooks()
  await expect.poll(() => deliverer.active).toBe(120)
})
