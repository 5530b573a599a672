import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { costOfComparisons, costOfRows } from '../../src/access/rates.ts'
import { CursorAhead, CursorEpochMismatch, CursorExpired, InvalidCursor, MessageNotFound, RateLimited } from '../../src/errors.ts'
import { defaultLimits } from '../../src/limits.ts'
import { createHistory, type History, type PageQuery } from '../../src/log/history.ts'
import { createHub } from '../../src/log/hub.ts'
import { maxPageRows } from '../../src/log/row-budget.ts'
import type { NewMessage } from '../../src/model/message.ts'
import { type CountQuery, type LogQuery, type LogStore, scanRows } from '../../src/store/log-store.ts'
import { createMemoryStore } from '../fixtures/memory-store.ts'
import { storedMessage } from '../fixtures/messages.ts'

const { signal } = new AbortController()
const client = 'tok_1'
const asking = { signal, client, pay: () => undefined }
const wide = { maxReadMessages: 500, maxReadBytes: 1_000_000, maxLongPolls: 2, clientSharePercent: 25 }

/** A history over messages of the given topics, in this order. */
async function historyOf(topics: string[], limits = wide, change: (log: LogStore) => Partial<LogStore> = () => ({})) {
  const { log } = createMemoryStore()
  const hub = createHub({ limits: defaultLimits }, { log })
  const messages: NewMessage[] = topics.map((topic, index) => storedMessage(index + 1, topic))
  await log.append(messages)
  return createHistory({ limits }, { log: { ...log, ...change(log) }, hub })
}

/** All pages of a walk, by the numbers of their messages. */
async function walk(history: History, order: 'asc' | 'desc', limit: number, topic?: string): Promise<number[][]> {
  const pages: number[][] = []
  const topics = topic === undefined ? undefined : { exact: [topic], patterns: [] }
  let position: string | undefined = order === 'asc' ? 'earliest' : undefined
  for (;;) {
    const page = await history.page({ [order === 'asc' ? 'after' : 'before']: position, order, limit, topics }, asking)
    pages.push(page.items.map(({ seq }) => seq))
    if (page.caughtUp) return pages
    position = order === 'asc' ? page.newer : page.older
  }
}

describe('resolve', () => {
  test('has its client pay for the comparisons of many patterns with topics, before they are made', async () => {
    const history = await historyOf(Array.from({ length: 600 }, (_, number) => `a.${number}.b`))
    const topics = { exact: [], patterns: Array.from({ length: 20 }, (_, number) => `*.${number}.*`) }
    let [paid, budget] = [0, 1_000]
    const pay = (units: number) => {
      if (paid + units > budget) throw new RateLimited('Too much.')
      paid += units
    }
    expect(await history.resolve('earliest', topics, { pay })).toMatchObject({ seq: 0 })
    // Two steps of five hundred topics.
    expect(paid).toBe(costOfComparisons(2 * 5_000))
    for (const position of ['latest', 'memory.3']) await history.resolve(position, topics, { pay })
    expect(paid).toBe(2 * costOfComparisons(2 * 5_000))
    budget = paid + 10
    await expect(history.page({ topics, after: 'memory.3', limit: 1 }, { ...asking, pay })).rejects.toThrow(RateLimited)
    await expect(history.page({ topics, before: 'memory.3', limit: 1 }, { ...asking, pay })).rejects.toThrow(RateLimited)
    expect(paid).toBe(2 * costOfComparisons(2 * 5_000))
  })

  test('knows the words and cursors of its log', async () => {
    const history = await historyOf(['a', 'b', 'a', 'b'])
    expect(await history.resolve('earliest')).toMatchObject({ seq: 0 })
    expect(await history.resolve('earliest', { exact: ['b'], patterns: [] })).toMatchObject({ seq: 1 })
    expect(await history.resolve('latest')).toMatchObject({ seq: 4 })
    expect(await history.resolve('memory.0')).toMatchObject({ seq: 0 })
    expect(await history.resolve('memory.4')).toMatchObject({ seq: 4 })
  })

  test('refuses what is no cursor, of another log, or past the tip, and says where to go on', async () => {
    const history = await historyOf(['a', 'b'])
    await expect(history.resolve('Earliest')).rejects.toThrow(InvalidCursor)
    await expect(history.resolve('other.1')).rejects.toThrow(CursorEpochMismatch)
    await expect(history.resolve('memory.3', { exact: ['b'], patterns: [] })).rejects.toThrow(CursorAhead)
    await expect(history.resolve('memory.3', { exact: ['b'], patterns: [] })).rejects.toMatchObject({
      extensions: { earliest: 'memory.1', latest: 'memory.2', epoch: 'memory' },
    })
  })

  test('expires a cursor only for those whose messages were pruned after it', async () => {
    const history = await historyOf(['a', 'b', 'a', 'b'], wide, () => ({
      position: async (filter) => ({
        epoch: 'memory',
        tip: 4,
        earliest: 2,
        prunedThrough: filter?.exact[0] === 'b' ? 2 : 1,
        pruneCount: 0,
        messages: 3,
      }),
    }))
    await expect(history.resolve('memory.1', { exact: ['b'], patterns: [] })).rejects.toThrow(CursorExpired)
    expect(await history.resolve('memory.1', { exact: ['a'], patterns: [] })).toMatchObject({ seq: 1 })
    expect(await history.resolve('memory.2', { exact: ['b'], patterns: [] })).toMatchObject({ seq: 2 })
    await expect(history.resolve('memory.0')).rejects.toMatchObject({ extensions: { earliest: 'memory.2', latest: 'memory.4' } })
  })
})

describe('page', () => {
  test('begins at the newest when nothing is said, and at the oldest after a position', async () => {
    const history = await historyOf(['a', 'b', 'c'])
    expect((await history.page({ limit: 2 }, asking)).items.map(({ seq }) => seq)).toEqual([3, 2])
    expect((await history.page({ after: 'earliest', limit: 2 }, asking)).items.map(({ seq }) => seq)).toEqual([1, 2])
    expect((await history.page({ before: 'memory.3', limit: 2 }, asking)).items.map(({ seq }) => seq)).toEqual([2, 1])
    expect((await history.page({ after: 'memory.1', before: 'memory.3', limit: 2 }, asking)).items.map(({ seq }) => seq)).toEqual([2])
  })

  test('answers a position to go on from also when it is empty', async () => {
    const empty = await historyOf([])
    expect(await empty.page({ limit: 5 }, asking)).toEqual({
      items: [],
      removed: [],
      newer: 'memory.0',
      older: 'memory.1',
      caughtUp: true,
      epoch: 'memory',
    })
    const history = await historyOf(['a', 'a'])
    expect(await history.page({ after: 'latest', limit: 5 }, asking)).toMatchObject({
      items: [],
      newer: 'memory.2',
      caughtUp: true,
    })
    const none = { exact: ['none'], patterns: [] }
    expect(await history.page({ after: 'memory.0', topics: none, limit: 5 }, asking)).toMatchObject({
      items: [],
      newer: 'memory.2',
      caughtUp: true,
    })
    expect(await history.page({ before: 'memory.0', limit: 5 }, asking)).toMatchObject({ items: [], caughtUp: true })
    for (const order of ['asc', 'desc'] as const) {
      const crossed = await history.page({ after: 'memory.2', before: 'memory.1', order, limit: 5 }, asking)
      expect(crossed).toMatchObject({ items: [], caughtUp: true })
      await history.resolve(crossed.newer)
      await history.page({ before: crossed.older, limit: 5 }, asking)
    }
  })

  test('does not see, while it reads, what was appended after it began', async () => {
    const history = await historyOf(['a', 'a', 'a'], { ...wide, maxReadMessages: 1, maxReadBytes: 1_000 }, (log) => ({
      async read(query: LogQuery) {
        const step = await log.read(query)
        await log.append([storedMessage(1_000 + (await log.position()).tip)])
        return step
      },
    }))
    expect((await history.page({ after: 'earliest', limit: 50 }, asking)).items.map(({ seq }) => seq)).toEqual([1, 2, 3])
  })

  test('is cut short at the limit of bytes, and loses nothing', async () => {
    const history = await historyOf(
      Array.from({ length: 9 }, () => 'a'),
      { ...wide, maxReadMessages: 2, maxReadBytes: 25 },
    )
    expect((await walk(history, 'asc', 100)).flat()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9])
    expect((await walk(history, 'desc', 100)).flat()).toEqual([9, 8, 7, 6, 5, 4, 3, 2, 1])
    expect((await history.page({ limit: 100 }, asking)).items).toHaveLength(3)
  })

  test('every walk, in either order and with any limits, meets each message that matches once', async () => {
    const arbitrary = fc.record({
      topics: fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 30 }),
      limit: fc.integer({ min: 1, max: 7 }),
      maxReadMessages: fc.integer({ min: 1, max: 4 }),
      maxReadBytes: fc.integer({ min: 1, max: 60 }),
      topic: fc.option(fc.constantFrom('a', 'b', 'd'), { nil: undefined }),
      scanRows: fc.integer({ min: 1, max: 5 }),
    })
    await fc.assert(
      fc.asyncProperty(arbitrary, async ({ topics, limit, topic, scanRows, ...limits }) => {
        const history = await historyOf(topics, { ...wide, ...limits }, (log) => ({ read: (query) => shortSteps(log, query, scanRows) }))
        const expected = topics.flatMap((name, index) => (topic === undefined || name === topic ? [index + 1] : []))
        for (const order of ['asc', 'desc'] as const) {
          const pages = await walk(history, order, limit, topic)
          expect(pages.flat()).toEqual(order === 'asc' ? expected : expected.toReversed())
          for (const page of pages) expect(page.length).toBeLessThanOrEqual(limit)
        }
      }),
      { numRuns: 200 },
    )
  })

  describe('of a filter that matches nothing in a long log', () => {
    const rows = 30 * scanRows
    const none = { from: 'nobody', limit: 50 }

    /** A log of that many messages, of which none matches; `looked` counts the rows that its steps look at. */
    async function longHistory() {
      let looked = 0
      const history = await historyOf([], wide, () => ({
        position: async () => ({ epoch: 'memory', tip: rows, earliest: 0, prunedThrough: 0, pruneCount: 0, messages: rows }),
        async read({ after, through = rows, order }: LogQuery) {
          const step = Math.min(scanRows, through - after)
          looked += step
          return { messages: [], scanned: order === 'asc' ? after + step : through - step }
        },
        async count({ after, through }: CountQuery) {
          const step = Math.min(scanRows, through - after)
          looked += step
          return { messages: 0, scanned: after + step }
        },
      }))
      return { history, looked: () => looked }
    }

    test.each(['asc', 'desc'] as const)('looks at a bounded number of rows, in order %s, and says where to go on', async (order) => {
      const { history, looked } = await longHistory()
      const position = order === 'asc' ? 'after' : 'before'
      const pages = []
      let next = order === 'asc' ? 'earliest' : 'latest'
      while (pages.at(-1)?.caughtUp !== true) {
        const before = looked()
        const page = await history.page({ ...none, order, [position]: next }, asking)
        pages.push(page)
        next = order === 'asc' ? page.newer : page.older
        expect(looked() - before).toBeLessThanOrEqual(maxPageRows)
      }
      expect(pages.map(({ items, caughtUp }) => [items.length, caughtUp])).toEqual([...Array(2).fill([0, false]), [0, true]])
      expect(looked()).toBe(rows)
    })

    test('is paid by the rows, each step before it is made, and ends where the budget does', async () => {
      const { history, looked } = await longHistory()
      let units = 4 * costOfRows(scanRows) + 1
      const pay = (cost: number) => {
        if (units < cost) throw new RateLimited('too much', { retryAfterMs: 1 })
        units -= cost
      }
      const page = await history.page({ ...none, after: 'earliest' }, { ...asking, pay })
      expect([page.items, page.caughtUp, page.newer, looked()]).toEqual([[], false, `memory.${4 * scanRows}`, 4 * scanRows])
      await expect(history.page({ ...none, after: page.newer }, { ...asking, pay })).rejects.toThrow(RateLimited)
      expect([looked(), units]).toEqual([4 * scanRows, 1])
    })

    test('is counted as far as the rows of the request go, and says whether that is all', async () => {
      const { history, looked } = await longHistory()
      const far = await history.page({ ...none, count: true }, asking)
      expect([far.count, looked()]).toEqual([{ messages: 0, isExact: false }, maxPageRows])
      const near = await history.page({ ...none, after: `memory.${rows - maxPageRows + 1}`, count: true }, asking)
      expect(near.count).toEqual({ messages: 0, isExact: true })
    })

    test('is counted without a scan where counters have the number', async () => {
      const history = await historyOf(['a', 'b', 'a'], wide, () => ({ count: () => Promise.reject(new Error('scanned')) }))
      const whole = { limit: 1, count: true, after: 'earliest' }
      expect((await history.page(whole, asking)).count).toEqual({ messages: 3, isExact: true })
      expect((await history.page({ ...whole, topics: { exact: ['a'], patterns: [] } }, asking)).count).toMatchObject({ messages: 2 })
      await expect(history.page({ ...whole, kind: 'topic' }, asking)).rejects.toThrow('scanned')
    })

    test('costs a client that has read nearly everything next to nothing, and one that takes what there is by what it takes', async () => {
      const { history } = await longHistory()
      let units = 0
      const pay = (cost: number) => {
        units += cost
      }
      await history.page({ ...none, after: `memory.${rows - 10}` }, { ...asking, pay })
      expect(units).toBe(0)
      const short = await historyOf(Array.from({ length: 500 }, () => 'a'))
      await short.page({ limit: 80 }, { ...asking, pay })
      await short.page({ limit: 80, topics: { exact: ['a'], patterns: [] } }, { ...asking, pay })
      expect(units).toBe(2 * costOfRows(80))
    })

    test('does not wait for messages before it has looked at all that there are', async () => {
      const { history, looked } = await longHistory()
      const page = await history.page({ ...none, after: 'earliest', waitMs: 60_000 }, asking)
      expect([page.items, page.caughtUp, looked()]).toEqual([[], false, maxPageRows])
    })
  })

  test('stops reading for a client that has left', async () => {
    const gone = new AbortController()
    let reads = 0
    const history = await historyOf(
      Array.from({ length: 50 }, () => 'a'),
      { ...wide, maxReadMessages: 1 },
      (log) => ({
        read(query) {
          if (++reads === 3) gone.abort()
          return log.read(query)
        },
      }),
    )
    await expect(history.page({ limit: 50 }, { ...asking, signal: gone.signal })).rejects.toThrow('aborted')
    expect(reads).toBe(3)
  })
})

describe('a wait for messages', () => {
  const waiting = { limit: 10, waitMs: 50_000 }
  const orders = { exact: ['orders'], patterns: [] }

  test.each<[string, Omit<PageQuery, 'limit'>]>([
    ['before a position of the log', { before: 'memory.2' }],
    ['before the oldest', { before: 'earliest' }],
    ['of a time that has passed', { until: 1_000 }],
    ['of no time at all', { since: Date.now() + 10_000, until: Date.now() + 10_000 }],
    ['of no topic', { topics: { exact: [], patterns: [] } }],
    ['direct ones of a topic', { topics: orders, kind: 'direct' }],
    ['topic ones among the direct ones', { topics: { exact: [''], patterns: [] }, kind: 'topic' }],
    ['topic ones to a peer', { topics: orders, to: 'peer' }],
    ['of a kind that has no recipient', { kind: 'topic', to: 'peer' }],
  ])('ends at once when none can ever match: %s', async (_, query) => {
    const history = await historyOf(['orders', 'orders'])
    const page = await history.page({ after: 'latest', ...query, ...waiting }, asking)
    expect(page).toMatchObject({ items: [], caughtUp: true })
    expect(history.longPolls).toBe(0)
  })

  test('ends when the time that is asked for does', async () => {
    const history = await historyOf(['orders'])
    const until = Date.now() + 50
    expect((await history.page({ after: 'latest', until, ...waiting }, asking)).items).toEqual([])
    expect(Date.now()).toBeGreaterThanOrEqual(until)
  })

  test('ends when the client leaves while the log is read for it', async () => {
    const gone = new AbortController()
    const history = await historyOf(['orders'], wide, (log) => ({
      async position() {
        gone.abort(new Error('left'))
        return await log.position()
      },
    }))
    await expect(history.page({ after: 'latest', ...waiting }, { ...asking, signal: gone.signal })).rejects.toThrow('left')
    expect(history.longPolls).toBe(0)
  })
})

test('finds a message by its id', async () => {
  const history = await historyOf(['a'])
  const { id } = storedMessage(1, 'a')
  expect(await history.get(id)).toMatchObject({ message: { id, seq: 1 }, epoch: 'memory' })
  await expect(history.get('nothing')).rejects.toThrow(MessageNotFound)
})

/** As a store that looks at few rows in one step. */
async function shortSteps(log: LogStore, query: LogQuery, rows: number) {
  const { tip } = await log.position()
  const through = query.through ?? tip
  const range =
    query.order === 'asc' ? { through: Math.min(through, query.after + rows) } : { after: Math.max(query.after, through - rows) }
  return log.read({ ...query, ...range })
}
