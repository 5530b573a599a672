import { describe, expect, onTestFinished, test } from 'vitest'
import type { Limits } from '../../src/limits.ts'
import { openEvents } from '../fixtures/event-client.ts'
import { isMissing, storeKinds, storesForTests } from '../fixtures/every-store.ts'
import { memoryGateway } from '../fixtures/gateway-pair.ts'
import { createMemoryEngine, createMemoryNetwork } from '../fixtures/memory-engine.ts'
import { createMemoryIdentity } from '../fixtures/memory-identity.ts'
import { createMemoryStore } from '../fixtures/memory-store.ts'
import { createRest } from '../fixtures/rest.ts'

const storeOf = storesForTests()

async function setUp(limits: Partial<Limits> = {}, store = createMemoryStore()) {
  const network = createMemoryNetwork()
  const gateway = await memoryGateway(network, limits, store)
  onTestFinished(() => gateway.stop())
  const events = (query: string, headers?: Record<string, string>) => openEvents(`${gateway.url}/v1/events${query}`, headers)
  return { gateway, network, store, events, rest: createRest(gateway.url) }
}

const dataOf = ({ events }: { events: Array<{ event: string; data: string }> }) =>
  events.filter(({ event }) => event === 'message').map(({ data }) => JSON.parse(data).message.data)

test('replays, says when it has caught up, and goes on live; each event has the cursor for its id', async () => {
  const { rest, events } = await setUp()
  const first = await rest.publish('orders', 'one')
  await rest.publish('others', 'no')
  const second = await rest.publish('orders', 'two\nlines')
  const client = await events(`?topic=orders&after=${first.cursor}`)
  expect(client.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
  await client.until(() => client.events.some(({ event }) => event === 'caught-up'))
  expect(client.lastEventId).toBe(second.cursor)
  const third = await rest.publish('orders', 'three')
  await client.until(() => client.events.length === 3)
  expect(client.events.map(({ event }) => event)).toEqual(['message', 'caught-up', 'message'])
  expect(dataOf(client)).toEqual(['two\nlines', 'three'])
  expect(client.lastEventId).toBe(third.cursor)
  expect(client.retryMs).toBe(1_000)
  expect(JSON.parse(client.events[0]?.data ?? '')).toMatchObject({ type: 'message', message: { id: second.id, cursor: second.cursor } })
})

test('Last-Event-ID goes before `after`', async () => {
  const { rest, events } = await setUp()
  await rest.publish('orders', 'one')
  const { cursor } = await rest.publish('orders', 'two')
  await rest.publish('orders', 'three')
  const client = await events('?topic=orders&after=earliest', { 'last-event-id': cursor })
  await client.until(() => client.events.length === 2)
  expect(dataOf(client)).toEqual(['three'])
})

const notOfThisLog = [
  ['other.5', 'other.5'],
  ['memory.99', 'memory.0'],
] as const

test.each(notOfThisLog)('a position that is not of this log is answered with a gap and everything there is: %s', async (position, from) => {
  const { rest, events } = await setUp()
  await rest.publish('orders', 'one')
  for (const client of [await events('?topic=orders', { 'last-event-id': position }), await events(`?topic=orders&after=${position}`)]) {
    expect(client.status).toBe(200)
    await client.until(() => client.events.length === 3)
    expect(client.events.map(({ event }) => event)).toEqual(['gap', 'message', 'caught-up'])
    expect(JSON.parse(client.events[0]?.data ?? '')).toEqual({ type: 'gap', from, to: 'memory.0', reason: 'other-log' })
  }
})

test.each(['42', 'no cursor', 'memory.-1', 'x'.repeat(200)])(
  'so is a Last-Event-ID that is no cursor, whatever `after` says: %s',
  async (id) => {
    const { rest, events } = await setUp()
    await rest.publish('orders', 'one')
    const { cursor } = await rest.publish('orders', 'two')
    const client = await events(`?topic=orders&after=${cursor}`, { 'last-event-id': id })
    expect(client.status).toBe(200)
    await client.until(() => client.events.some(({ event }) => event === 'caught-up'))
    expect(JSON.parse(client.events[0]?.data ?? '')).toEqual({ type: 'gap', from: 'memory.0', to: 'memory.0', reason: 'other-log' })
    expect(dataOf(client)).toEqual(['one', 'two'])
  },
)

describe.each(storeKinds)('on the %s store', (kind) => {
  test.skipIf(isMissing(kind))('after an expired position the stream goes on, with a gap for each topic that lost messages', async () => {
    const { rest, events, store } = await setUp({ maxRingMessages: 1 }, await storeOf(kind))
    await rest.publish('kept', 'read before')
    const { cursor } = await rest.publish('orders', 'read too')
    await rest.publish('kept', 'between')
    const lost = await rest.publish('orders', 'lost')
    await rest.publish('orders', 'three')
    const defaults = { maxAgeMs: 0, maxMessages: 1, maxBytes: 0 }
    await store.log.prune({ defaults, now: Date.now(), topic: 'orders', limit: 10 })
    const client = await events('?topic=orders&topic=kept', { 'last-event-id': cursor })
    await client.until(() => client.events.some(({ event }) => event === 'caught-up'))
    expect(client.events.map(({ event }) => event)).toEqual(['message', 'gap', 'message', 'caught-up'])
    expect(JSON.parse(client.events[1]?.data ?? '')).toEqual({
      type: 'gap',
      topic: 'orders',
      from: cursor,
      to: lost.cursor,
      reason: 'pruned',
    })
    expect(dataOf(client)).toEqual(['between', 'three'])
  })
})

test('a heartbeat moves the position of a quiet client', async () => {
  const { rest, events } = await setUp({ heartbeatMs: 30 })
  const client = await events('?topic=orders')
  await client.until(() => client.events.length === 1)
  const { cursor } = await rest.publish('others', 'no')
  await client.until(() => client.lastEventId === cursor)
  expect(client.events.at(-1)).toEqual({ event: 'progress', data: JSON.stringify({ type: 'progress', cursor }) })
})

test('every block is an event with data, so that no client takes a heartbeat or a `retry` for a message', async () => {
  const { gateway, rest, events } = await setUp({ heartbeatMs: 20 })
  const client = await events('?topic=orders')
  await rest.publish('orders', 'one')
  await client.until(() => client.events.filter(({ event }) => event === 'progress').length === 3)
  await gateway.stop()
  await client.ended
  expect(client.events.at(-1)?.event).toBe('closing')
  expect(client.emptyBlocks).toEqual([])
})

test('a HEAD request gets the headers of an event stream, and ends', async () => {
  const { gateway } = await setUp()
  const answer = await fetch(`${gateway.url}/v1/events?topic=orders`, { method: 'HEAD' })
  expect(answer.status).toBe(200)
  expect(answer.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
  expect(await answer.text()).toBe('')
  expect((await fetch(`${gateway.url}/v1/events`, { method: 'HEAD' })).status).toBe(400)
})

test('tells what happens to peers when asked', async () => {
  const { rest, events, network } = await setUp()
  const client = await events('?topic=orders&peers=true')
  const other = createMemoryEngine({ network, identity: await createMemoryIdentity() })
  await other.start()
  onTestFinished(() => other.stop())
  await rest.call('POST', '/v1/peers', { multiaddr: (await other.multiaddrs())[0] })
  await client.until(() => client.events.some(({ event }) => event === 'peer'))
  expect(JSON.parse(client.events.find(({ event }) => event === 'peer')?.data ?? '')).toMatchObject({ event: 'connect' })
})

test.each([
  ['', 400, 'invalid_request'],
  ['?topic=.', 400, 'invalid_topic'],
  ['?topic=a&after=nonsense', 400, 'invalid_cursor'],
  ['?topic=a&limit=5', 400, 'invalid_request'],
])('refuses %j before anything is sent', async (query, status, code) => {
  const { gateway } = await setUp()
  const answer = await fetch(`${gateway.url}/v1/events${query}`)
  expect([answer.status, Object(await answer.json()).code]).toEqual([status, code])
})

test('maxStreamConnections: one more is refused, and a place is free when a client has left', async () => {
  const { gateway, events } = await setUp({ maxStreamConnections: 1 })
  const client = await events('?topic=orders')
  const refused = await fetch(`${gateway.url}/v1/events?topic=orders`)
  expect([refused.status, Object(await refused.json()).code]).toEqual([503, 'connection_limit'])
  client.close()
  await expect.poll(async () => (await events('?topic=orders')).status).toBe(200)
})

test('a stopping gateway says goodbye, with a time to come back, and ends the answer', async () => {
  const { gateway, events } = await setUp()
  const client = await events('?topic=orders')
  await client.until(() => client.events.length === 1)
  const stopped = gateway.stop()
  await client.ended
  await stopped
  expect(client.events.at(-1)?.event).toBe('closing')
})

test('slowClientMs: a client that takes nothing is cut off, whenever the heartbeat is', async () => {
  const { gateway, rest } = await setUp({ heartbeatMs: 600_000, slowClientMs: 100 })
  const answer = await fetch(`${gateway.url}/v1/events?topic=orders`)
  const reader = answer.body?.getReader()
  const data = 'x'.repeat(500_000)
  for (let index = 0; index < 40; index++) await rest.publish('orders', data)
  await expect.poll(async () => (await rest.get<{ counts: { streams: number } }>('/v1/node')).counts.streams).toBe(0)
  const drain = async () => {
    for (;;) if ((await reader?.read())?.done !== false) return 'ended'
  }
  await expect(drain()).rejects.toThrow()
})
