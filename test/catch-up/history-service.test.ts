import { expect, test } from 'vitest'
import {
  decodeMessages,
  decodePage,
  encodeHistoryRequest,
  type HistoryPage,
  type HistoryRequest,
  maxHistoryTopics,
} from '../../src/catch-up/history-protocol.ts'
import { createHistoryService } from '../../src/catch-up/history-service.ts'
import type { Bridge, RequestHandler } from '../../src/engine/engine.ts'
import { defaultLimits } from '../../src/limits.ts'
import { directTopic } from '../../src/model/topic.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { createMemoryStore } from '../fixtures/memory-store.ts'
import { storedMessage } from '../fixtures/messages.ts'

const now = 1_800_000_000_000

/** A service for a log with messages of the given topics, of which `orders` alone is joined. They were received a second from each other. */
async function service(topics: string[], init: { joined?: string[]; firstSeenAt?: number; peerId?: string; bridge?: Bridge } = {}) {
  const { joined = ['orders'], peerId = 'us', bridge, ...seen } = init
  const { log } = createMemoryStore()
  const messages = topics.map((topic, index) => ({
    ...storedMessage(index + 1, topic),
    storedAt: now - 1_000 * (topics.length - index),
    ...seen,
  }))
  await log.append(messages)
  const handlers: RequestHandler[] = []
  const engine = {
    peerId,
    ...(bridge && { bridge }),
    topics: async () => joined,
    handle: async (_protocol: string, handler: RequestHandler) => void handlers.push(handler),
    unhandle: async () => undefined,
  }
  await createHistoryService({ limits: defaultLimits }, { engine, log, metrics: createMetrics(), now: () => now }).start()
  const ask = async (request: HistoryRequest, from = 'peer') => {
    const answer = await handlers[0]?.({ from, body: encodeHistoryRequest(request), signal: AbortSignal.timeout(20_000) })
    if (answer === undefined) throw new Error('nobody answers')
    return answer
  }
  const list = async (more: Partial<Extract<HistoryRequest, { type: 'list' }>> = {}): Promise<HistoryPage> => {
    const request = { type: 'list' as const, topics: ['orders', 'secret'], after: null, maxAgeMs: 86_400_000, ...more }
    const page = decodePage(await ask(request), request.topics)
    if ('retryAfterMs' in page) throw new Error('the service is busy')
    return page
  }
  const get = async (ids: string[], named?: string[]) => {
    const answer = decodeMessages(await ask({ type: 'get', ids, topics: named }))
    return 'messages' in answer ? answer.messages.map(({ topic }) => topic) : undefined
  }
  return { ask, list, get, log, messages }
}

const listed = ({ items }: HistoryPage) => items.map(({ topic, ageMs }) => [topic, ageMs])

test('topics that are not joined are listed and given to a peer that names them, as joined ones are', async () => {
  const { list, get, messages } = await service(['orders', 'secret', 'other', 'orders'])
  expect(listed(await list())).toEqual([
    ['orders', 4_000],
    ['secret', 3_000],
    ['orders', 1_000],
  ])
  const ids = messages.map(({ id }) => id)
  expect(await get(ids, ['secret'])).toEqual(['orders', 'secret', 'orders'])
  expect(await get(ids, ['nothing', 'secret'])).toEqual(['orders', 'secret', 'orders'])
})

test('of topics that a bridge does not carry, it lists and gives only its own messages', async () => {
  const bridge = { mayCarry: (topic: string) => topic === 'orders', carries: () => true, topics: () => [], subscribes: () => false }
  const topics = ['orders', 'secret']
  const foreign = await service(topics, { bridge })
  const ids = foreign.messages.map(({ id }) => id)
  expect(listed(await foreign.list())).toEqual([['orders', 2_000]])
  expect(await foreign.get(ids, topics)).toEqual(['orders'])
  const own = await service(topics, { bridge, peerId: foreign.messages[0]?.from ?? '' })
  expect(listed(await own.list()).map(([topic]) => topic)).toEqual(topics)
  expect(await own.get(ids, topics)).toEqual(topics)
})

test('of topics that are neither joined nor named, nothing is given to a peer that guesses ids', async () => {
  const { list, get, messages } = await service(['orders', 'secret', directTopic])
  const ids = messages.map(({ id }) => id)
  expect(await get(ids)).toEqual(['orders'])
  expect(await get(ids, ['orders', 'other'])).toEqual(['orders'])
  expect(listed(await list({ topics: ['other'] }))).toEqual([])
})

test('direct messages cannot be named', async () => {
  const { list, get, messages } = await service(['orders', directTopic])
  await expect(list({ topics: [directTopic] })).rejects.toThrow()
  await expect(
    get(
      messages.map(({ id }) => id),
      [directTopic],
    ),
  ).rejects.toThrow()
})

test('a request names at most maxHistoryTopics topics', async () => {
  const { list, get, messages } = await service(['orders'])
  const names = Array.from({ length: maxHistoryTopics }, (_, number) => `topic${number}`)
  const [id = ''] = messages.map((message) => message.id)
  expect(await get([id], names)).toEqual(['orders'])
  await expect(get([id], [...names, 'more'])).rejects.toThrow()
  await expect(list({ topics: [...names, 'more'] })).rejects.toThrow()
})

test('direct messages are given to nobody, whatever an engine says is joined', async () => {
  const { get, messages } = await service(['orders', directTopic], { joined: ['orders', directTopic] })
  expect(await get(messages.map(({ id }) => id))).toEqual(['orders'])
})

test('what is older than is asked for is not listed', async () => {
  const { list } = await service(['orders', 'orders', 'orders'])
  expect(listed(await list({ maxAgeMs: 2_000 }))).toEqual([
    ['orders', 2_000],
    ['orders', 1_000],
  ])
})

test('what came here lately and was first received elsewhere before the time that is asked for is not listed', async () => {
  const { list } = await service(['orders'], { firstSeenAt: now - 5_000 })
  expect(listed(await list({ maxAgeMs: 4_999 }))).toEqual([])
  expect(listed(await list({ maxAgeMs: 5_000 }))).toEqual([['orders', 5_000]])
})

test('a position in another log, one past the end, and one that is none are the beginning', async () => {
  const { list, log } = await service(['orders', 'orders'])
  const epoch = await log.epoch()
  const first = await list({ after: `${epoch}.1` })
  expect([listed(first), first.next, first.caughtUp]).toEqual([[['orders', 1_000]], `${epoch}.2`, true])
  for (const after of ['another.1', `${epoch}.3`, 'nonsense']) expect((await list({ after })).items).toHaveLength(2)
  expect((await list({ after: `${epoch}.2` })).items).toEqual([])
})

test('of one peer one request is worked on at a time: a second is told to wait, another peer is not', async () => {
  const { ask, log } = await service(['orders'])
  const outline = log.outline
  const read = Promise.withResolvers<void>()
  let reads = 0
  log.outline = async (query) => {
    reads++
    await read.promise
    return await outline(query)
  }
  const request = { type: 'list' as const, topics: ['orders'], after: null, maxAgeMs: 86_400_000 }
  const isBusy = (answer: Uint8Array) => 'retryAfterMs' in decodePage(answer, request.topics)
  const first = ask(request)
  await expect.poll(() => reads).toBe(1)
  expect(isBusy(await ask(request))).toBe(true)
  const other = ask(request, 'another peer')
  await expect.poll(() => reads).toBe(2)
  read.resolve()
  expect((await Promise.all([first, other])).map(isBusy)).toEqual([false, false])
  expect(isBusy(await ask(request))).toBe(false)
})
