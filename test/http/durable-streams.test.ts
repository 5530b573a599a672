import { expect, onTestFinished, test } from 'vitest'
import type { GatewayInit } from '../../src/gateway/gateway.ts'
import type { Limits } from '../../src/limits.ts'
import { openEvents } from '../fixtures/event-client.ts'
import { memoryGateway } from '../fixtures/gateway-pair.ts'
import { createMemoryNetwork } from '../fixtures/memory-engine.ts'
import { createMemoryStore } from '../fixtures/memory-store.ts'
import { newMessage } from '../fixtures/messages.ts'
import { createRest } from '../fixtures/rest.ts'

/** What the protocol's own tests (durable-streams-conformance.test.ts) do not ask: messages, retention and limits. */
async function setUp(limits: Partial<Limits> = {}, store = createMemoryStore(), http: Partial<GatewayInit['http']> = {}) {
  const gateway = await memoryGateway(createMemoryNetwork(), limits, store, { longPollMs: 300, ...http })
  onTestFinished(() => gateway.stop())
  const url = (query = '', topic = 'orders') => `${gateway.url}/v1/streams/${topic}${query}`
  const read = async (query?: string, init?: RequestInit) => {
    const answer = await fetch(url(query), init)
    const text = await answer.text()
    return { status: answer.status, headers: answer.headers, text, next: answer.headers.get('stream-next-offset') ?? '' }
  }
  return { gateway, rest: createRest(gateway.url), url, read, events: (query: string) => openEvents(url(query)) }
}

const dataOf = (text: string) => JSON.parse(text).map(({ data }: { data: string }) => data)

test('items are messages as elsewhere; an offset does not move with other topics', async () => {
  const { rest, read } = await setUp()
  const { id, cursor } = await rest.publish('orders', 'one')
  const first = await read()
  expect(JSON.parse(first.text)).toEqual([await rest.get(`/v1/messages/${id}`)])
  expect(first.headers.get('content-type')).toBe('application/json')
  expect(first.headers.get('cache-control')).toBe('private, no-cache')
  expect(first.next).toBe(`memory_${cursor.split('.')[1]?.padStart(15, '0')}`)
  await rest.publish('others', 'no')
  const again = await read(`?offset=${first.next}`)
  expect([again.text, again.next, again.headers.get('stream-up-to-date')]).toEqual(['[]', first.next, 'true'])
  expect(again.headers.get('cache-control')).toBe('private, no-cache')
  const head = await read('', { method: 'HEAD' })
  expect([head.next, head.headers.get('cache-control'), head.headers.get('etag')]).toEqual([first.next, 'no-store', null])
  const now = await read('?offset=now')
  expect([now.text, now.next, now.headers.get('cache-control'), now.headers.get('etag')]).toEqual(['[]', first.next, 'no-store', null])
})

test('a page ends at its limit, and is not up to date before the last', async () => {
  const { rest, read } = await setUp({ maxReadBytes: 10 })
  for (const data of ['a', 'b', 'c']) await rest.publish('orders', data.repeat(10))
  const offsets: string[] = []
  for (let next = '-1', isLast = false; !isLast; ) {
    const page = await read(`?offset=${next}`)
    expect(page.status).toBe(200)
    isLast = page.headers.get('stream-up-to-date') === 'true'
    next = page.next
    offsets.push(next)
  }
  expect(offsets).toHaveLength(3)
  expect(offsets).toEqual([...new Set(offsets)].toSorted())
})

test('what has been deleted at the end of a stream is passed by, and wakes nobody twice', async () => {
  const { rest, read } = await setUp()
  await rest.publish('orders', 'one')
  const { next } = await read()
  const { id } = await rest.publish('orders', 'two')
  await rest.call('DELETE', `/v1/messages/${id}`)
  const passing = await read(`?offset=${next}&live=long-poll`)
  expect([passing.status, passing.text]).toEqual([200, '[]'])
  expect(passing.next > next).toBe(true)
  expect((await read(`?offset=${passing.next}&live=long-poll`)).status).toBe(204)
})

test.each(['', '&live=long-poll', '&live=sse'])('an offset whose messages are gone is answered by 410, and -1 goes on%s', async (live) => {
  const { rest, read, events } = await setUp()
  await rest.publish('orders', 'one')
  const { next } = await read()
  const { cursor } = await rest.publish('orders', 'two')
  await rest.publish('orders', 'three')
  await rest.call('DELETE', `/v1/topics/orders/messages?through=${cursor}`)
  for (const offset of [next, 'other_000000000000001', 'memory_000000000000099']) {
    const gone = await read(`?offset=${offset}${live}`)
    expect([gone.status, JSON.parse(gone.text)]).toEqual([410, expect.objectContaining({ code: 'offset_gone', status: 410 })])
  }
  if (live !== '&live=sse') return expect(dataOf((await read(`?offset=-1${live}`)).text)).toEqual(['three'])
  const client = await events('?offset=-1&live=sse')
  await client.until(() => client.events.length === 2)
  expect(dataOf(client.events[0]?.data ?? '')).toEqual(['three'])
})

test.each([
  ['GET', '?offset=memory.5', 400, 'invalid_request'],
  ['GET', '?live=sse', 400, 'invalid_request'],
  ['GET', '?live=other&offset=-1', 400, 'invalid_request'],
  ['POST', '', 405, 'method_not_allowed'],
  ['PUT', '', 405, 'method_not_allowed'],
  ['DELETE', '', 405, 'method_not_allowed'],
])('%s %s is answered with %i %s', async (method, query, status, code) => {
  const { rest, read } = await setUp()
  await rest.publish('orders', 'one')
  const answer = await read(query, { method })
  expect([answer.status, JSON.parse(answer.text).code]).toEqual([status, code])
  if (status === 405) expect(answer.headers.get('allow')).toBe('GET, HEAD')
})

test('events: what is stored, then what comes, each with the offset to resume from', async () => {
  const { rest, events, read } = await setUp()
  await rest.publish('orders', 'one')
  await rest.publish('orders', 'two\nlines')
  const client = await events('?offset=-1&live=sse')
  expect(client.headers.get('content-type')).toBe('text/event-stream')
  await client.until(() => client.events.length === 4)
  await rest.publish('others', 'no')
  await rest.publish('orders', 'three')
  await client.until(() => client.events.length === 6)
  const data = client.events.filter(({ event }) => event === 'data')
  const controls = client.events.filter(({ event }) => event === 'control').map((event) => JSON.parse(event.data))
  expect(data.flatMap((event) => dataOf(event.data))).toEqual(['one', 'two\nlines', 'three'])
  expect(controls.map(({ upToDate }) => upToDate)).toEqual([undefined, true, true])
  expect(controls.at(-1).streamNextOffset).toBe((await read('?offset=now')).next)
  const resumed = await events(`?offset=${controls[0].streamNextOffset}&live=sse&cursor=${controls[0].streamCursor}`)
  await resumed.until(() => resumed.events.length === 4)
  expect(dataOf(resumed.events[0]?.data ?? '')).toEqual(['two\nlines'])
  expect(Number(JSON.parse(resumed.events[1]?.data ?? '').streamCursor)).toBeGreaterThan(Number(controls[0].streamCursor))
})

test('live requests count to the limits of long polls and of stream connections', async () => {
  const { rest, read, events } = await setUp({ maxLongPolls: 1, maxStreamConnections: 1 }, createMemoryStore(), { longPollMs: 20_000 })
  await rest.publish('orders', 'one')
  await events('?offset=now&live=sse')
  const refusedEvents = await read('?offset=now&live=sse')
  expect([refusedEvents.status, JSON.parse(refusedEvents.text).code]).toEqual([503, 'connection_limit'])
  const polls = [read('?offset=now&live=long-poll'), read('?offset=now&live=long-poll')]
  expect((await Promise.race(polls)).status).toBe(503)
  await rest.publish('orders', 'two')
  expect((await Promise.all(polls)).map(({ status }) => status).toSorted()).toEqual([200, 503])
})

test('an answer from the end on, whose start is not in its address, is kept by no cache', async () => {
  const { rest, read } = await setUp({}, createMemoryStore(), { longPollMs: 20_000 })
  await rest.publish('orders', 'one')
  let isAnswered = false
  const polling = read('?offset=now&live=long-poll').finally(() => {
    isAnswered = true
  })
  // The request may not have come when the first is published.
  while (!isAnswered) {
    await rest.publish('orders', 'two')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  const { status, headers } = await polling
  expect([status, headers.get('etag'), headers.get('cache-control')]).toEqual([200, null, 'no-store'])
})

test('one client does not take the long polls of all', async () => {
  const http = { longPollMs: 20_000, trustedProxies: ['127.0.0.1'] }
  const { rest, read } = await setUp({ maxLongPolls: 4 }, createMemoryStore(), http)
  await rest.publish('orders', 'one')
  const { next } = await read()
  const ask = (address: string) => read(`?offset=${next}&live=long-poll`, { headers: { 'x-forwarded-for': address } })
  const polls = Array.from({ length: 4 }, () => ask('203.0.113.1'))
  expect((await Promise.race(polls)).status).toBe(503)
  const other = ask('203.0.113.2')
  await Promise.race([other, new Promise((resolve) => setTimeout(resolve, 200))])
  await rest.publish('orders', 'two')
  expect((await Promise.all(polls)).map(({ status }) => status).toSorted()).toEqual([200, 200, 200, 503])
  expect((await other).status).toBe(200)
})

test('requests are paid as pages and connections of events are', async () => {
  const { rest, read } = await setUp({ tokenRate: 0.001, tokenBurst: 30 })
  await rest.publish('orders', 'one')
  const statuses: number[] = []
  for (let count = 0; count < 8; count++) statuses.push((await read()).status)
  expect(statuses).toContain(429)
  // A page of 500 messages costs more than the request by itself.
  const store = createMemoryStore()
  await store.log.append(Array.from({ length: 500 }, () => newMessage('orders')))
  const full = await setUp({ tokenRate: 0.001, tokenBurst: 30 }, store)
  const pages: number[] = []
  for (let count = 0; count < 3; count++) pages.push((await full.read()).status)
  expect(pages).toContain(429)
  const other = await setUp({ tokenRate: 0.001, tokenBurst: 30 })
  await other.rest.publish('orders', 'one')
  const opened: number[] = []
  // Less than the budget without what a connection costs beside the request.
  for (let count = 0; count < 4; count++) opened.push((await other.events('?offset=now&live=sse')).status)
  expect(opened).toContain(429)
})

test('a topic that is not there is no stream', async () => {
  const { read } = await setUp()
  for (const live of ['', '?offset=-1&live=sse', '?offset=now']) {
    const answer = await read(live)
    expect([answer.status, JSON.parse(answer.text).code]).toEqual([404, 'topic_not_found'])
  }
})
