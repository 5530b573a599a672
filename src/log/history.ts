import { setImmediate as nextTurn } from 'node:timers/promises'
import { createClientShares } from '../access/client-shares.ts'
import { costOfRows } from '../access/rates.ts'
import { CursorAhead, CursorEpochMismatch, CursorExpired, InvalidRequest, MessageNotFound, Overloaded, RateLimited } from '../errors.ts'
import { omitUndefined } from '../lib/omit-undefined.ts'
import { createSemaphore } from '../lib/semaphore.ts'
import type { Limits } from '../limits.ts'
import { type Cursor, formatCursor, parseCursor, type Seq } from '../model/cursor.ts'
import type { MessageKind, StoredMessage } from '../model/message.ts'
import { directTopic, type TopicFilter } from '../model/topic.ts'
import { type Damaged, type LogPosition, type LogStore, scanRows } from '../store/log-store.ts'
import type { Hub } from './hub.ts'
import { matchesUntil } from './matches-until.ts'

/** The log as clients read it: positions given as cursors or words, and pages. Live delivery belongs to the hub. */
export interface History {
  /**
   * Resolves the position that a client gives: a cursor, `earliest` (before the oldest retained message that matches)
   * or `latest` (the tip). Every matching message after it is still there, except what the cursor itself knows to be
   * pruned. All errors but InvalidCursor carry `earliest`, `latest` and `epoch`.
   * @throws InvalidCursor
   * @throws CursorEpochMismatch when the cursor belongs to a different log
   * @throws CursorAhead when it is past the tip
   * @throws CursorExpired when a matching message after it was pruned
   */
  resolve(position: string, filter?: TopicFilter): Promise<Start>
  /**
   * Reads in steps, and yields to other work between them. Each step is paid before it runs, by the rows that it may
   * scan, matching or not. A page ends, short or even empty, when the next step cannot be paid, and after `maxPageRows`
   * rows. With `waitMs`, an empty page in ascending order waits for messages while any that may still arrive can match.
   * @throws what `resolve` throws, for `after` and, except CursorExpired, for `before`
   * @throws InvalidRequest when `waitMs` is given without an ascending order after a position
   * @throws Overloaded when too many requests wait, or too many of one client
   * @throws RateLimited when the first step cannot be paid
   */
  page(query: PageQuery, options: PageOptions): Promise<Page>
  /** Number of requests that wait for messages. */
  readonly longPolls: number
  /** @throws MessageNotFound */
  get(id: string): Promise<{ message: StoredMessage; epoch: string }>
}

/** Where a reader starts. */
export interface Start {
  seq: Seq
  /** The reader already knows what was pruned up to this step of pruning. */
  pruneCount: number
  cursor: string
}

export interface PageQuery {
  topics?: TopicFilter | undefined
  kind?: MessageKind | undefined
  to?: string | undefined
  from?: string | undefined
  /** Received at or after `since` and before `until`; milliseconds since 1970. */
  since?: number | undefined
  until?: number | undefined
  /** Only messages after this position. */
  after?: string | undefined
  /** Only messages before the one at this cursor, exclusive; `latest` excludes nothing. */
  before?: string | undefined
  /** Default: `asc` when `after` is given, otherwise `desc` (newest first). */
  order?: 'asc' | 'desc' | undefined
  limit: number
  /** How long an empty page waits for messages, in milliseconds. */
  waitMs?: number | undefined
}

export interface PageOptions {
  signal: AbortSignal
  /** The client that asks (`clientKey`). */
  client: string
  /** Takes the cost of a step, in units, from the client's budget. @throws RateLimited */
  pay(units: number): void
}

export interface Page {
  items: StoredMessage[]
  /** Damaged messages of the topics within the page's range, in the same order. */
  damaged: Damaged[]
  /** The cursor after the range that this page covers: `after` of a page of newer messages. */
  newer: string
  /** The cursor before the range that this page covers: `before` of a page of older messages. */
  older: string
  /** Whether the page reached the far end of the requested range: at that moment there was nothing more. */
  caughtUp: boolean
  epoch: string
}

export type HistoryLimits = Pick<Limits, 'maxReadMessages' | 'maxReadBytes' | 'maxLongPolls' | 'clientSharePercent'>

/** Maximum pages read at a time, each of up to `maxReadBytes`, and maximum pages queued; clients share both. */
const maxReadingPages = 8
const maxPages = 1_000

/** Maximum rows of the log that a page scans, matching or not. The client continues where it ends. */
export const maxPageRows = 10 * scanRows

/** Milliseconds after which a client may retry when too many others waited. */
const retryAfterMs = 5_000

export interface HistoryComponents {
  log: LogStore
  hub: Pick<Hub, 'follow'>
  /** Milliseconds since 1970. */
  now?: () => number
}

export function createHistory(init: { limits: HistoryLimits }, components: HistoryComponents): History {
  const { maxReadMessages, maxReadBytes, maxLongPolls } = init.limits
  const { log, hub, now = Date.now } = components
  const reading = createSemaphore({
    max: maxReadingPages,
    maxWaiting: maxPages,
    shares: (max) => createClientShares({ max, limits: init.limits }),
  })
  const longPolls = createClientShares({ max: maxLongPolls, limits: init.limits })

  /** The cursor's seq, after checking that it belongs to this log and is not past the newest message it may name. */
  async function place(
    { epoch, seq, pruneCount }: Cursor,
    filter?: TopicFilter,
    newest = (tip: Seq) => tip,
  ): Promise<{ seq: Seq; ends: LogPosition }> {
    const ends = await log.position(filter, pruneCount)
    if (epoch !== ends.epoch) throw new CursorEpochMismatch('This cursor belongs to a different log.', members(ends))
    if (seq > newest(ends.tip)) throw new CursorAhead('This cursor is ahead of the newest message in the log.', members(ends))
    return { seq, ends }
  }

  async function resolve(position: string, filter?: TopicFilter): Promise<Start> {
    if (position === 'earliest' || position === 'latest') {
      const ends = await log.position(filter)
      const seq = position === 'earliest' ? ends.earliest : ends.tip
      const pruneCount = ends.prunedThrough > seq ? ends.pruneCount : 0
      return { seq, pruneCount, cursor: formatCursor(ends.epoch, seq, pruneCount) }
    }
    const cursor = parseCursor(position)
    const { seq, ends } = await place(cursor, filter)
    if (seq < ends.prunedThrough) throw expired(ends)
    return { seq, pruneCount: cursor.pruneCount ?? 0, cursor: position }
  }

  /** The seq of the newest message before the position, and the epoch of the log. */
  async function lastBefore(position: string | undefined, filter?: TopicFilter): Promise<{ epoch: string; seq: Seq }> {
    if (position === undefined || position === 'latest' || position === 'earliest') {
      const { epoch, tip, earliest } = await log.position(position === 'earliest' ? filter : undefined)
      return { epoch, seq: position === 'earliest' ? earliest : tip }
    }
    const cursor = parseCursor(position)
    // All messages are before the one that comes next.
    const { seq } = await place(cursor, filter, (tip) => tip + 1)
    return { epoch: cursor.epoch, seq: Math.max(0, seq - 1) }
  }

  async function readPage(query: PageQuery, { signal, client, pay }: PageOptions): Promise<Page> {
    using place = await reading.take(signal, client)
    if (place === undefined)
      throw new Overloaded('Too many requests are waiting for a page of messages, in all or from this client.', { retryAfterMs })
    const { limit, topics } = query
    const order = orderOf(query)
    const start = query.after === undefined ? undefined : await resolve(query.after, topics)
    const after = start?.seq ?? 0
    const { seq: through, epoch: placed } = await lastBefore(query.before, topics)
    // The epoch in which the range was placed: if the log is replaced meanwhile, the cursors of this page are refused.
    const epoch = start === undefined ? placed : parseCursor(start.cursor).epoch
    const range = { low: after, high: Math.max(after, through) }
    const { kind, from, to, since, until } = query
    const filters = omitUndefined({ topics, kind, from, to, since, until, prunedSince: start?.pruneCount })
    const items: StoredMessage[] = []
    const damaged: Damaged[] = []
    const matchesAll = isSeries(topics) && [kind, from, to, since, until].every((filter) => filter === undefined)
    let bytes = 0
    let rows = 0
    while (range.low < range.high && items.length < limit && bytes < maxReadBytes && rows < maxPageRows) {
      signal.throwIfAborted()
      const stepRows = Math.min(scanRows, range.high - range.low, matchesAll ? limit - items.length : scanRows)
      if (!paid(() => pay(costOfRows(stepRows)), rows === 0)) break
      rows += stepRows
      const bounds = {
        after: range.low,
        through: range.high,
        limit: Math.min(limit - items.length, maxReadMessages),
        maxBytes: maxReadBytes - bytes,
      }
      const step = await log.read({ ...filters, ...bounds, order })
      if (step.prunes !== undefined && step.prunes.topics.length > 0) throw expired(await log.position(topics))
      for (const message of step.messages) bytes += message.data.length
      items.push(...step.messages)
      damaged.push(...(step.damaged ?? []))
      if (order === 'asc') range.low = step.scanned
      else range.high = step.scanned
      await nextTurn()
    }
    // The page covers the messages after `low` and up to `high`.
    const [low, high] = order === 'asc' ? [after, range.low] : [range.high, Math.max(after, through)]
    return {
      items,
      damaged,
      newer: formatCursor(epoch, high, start?.pruneCount),
      older: formatCursor(epoch, low + 1),
      caughtUp: range.low >= range.high,
      epoch,
    }
  }

  async function waitForPage(query: PageQuery & { waitMs: number }, options: PageOptions): Promise<Page> {
    if (query.after === undefined || orderOf(query) !== 'asc') {
      throw new InvalidRequest('waitMs requires after and ascending order.', {
        errors: [{ path: '/waitMs', message: 'requires after and ascending order' }],
      })
    }
    using place = longPolls.take(options.client)
    if (place === undefined)
      throw new Overloaded('Too many requests are waiting for messages, in all or from this client.', { retryAfterMs })
    const deadline = performance.now() + Math.min(query.waitMs, matchesUntil(query) - now())
    for (let after = query.after; ; ) {
      using news = nextAppend(query.topics ?? everything)
      const found = await readPage({ ...query, after }, options)
      const left = deadline - performance.now()
      if (found.items.length > 0 || found.damaged.length > 0 || !found.caughtUp || left <= 0) return found
      await news.within(left, options.signal)
      options.signal.throwIfAborted()
      after = found.newer
    }
  }

  /** Waits for the next append that matches the filter. It follows from this call on, so that no append is missed. */
  function nextAppend(filter: TopicFilter) {
    const { promise, resolve: wake } = Promise.withResolvers<void>()
    const unfollow = hub.follow(filter, () => wake())
    return {
      /** Resolves at that append, after `ms` milliseconds, or when the signal fires. */
      async within(ms: number, signal: AbortSignal): Promise<void> {
        const end = () => wake()
        const timer = setTimeout(end, ms)
        signal.addEventListener('abort', end)
        if (signal.aborted) end()
        await promise
        signal.removeEventListener('abort', end)
        clearTimeout(timer)
      },
      [Symbol.dispose]: unfollow,
    }
  }

  return {
    get longPolls() {
      return longPolls.total
    },
    resolve,
    page: ({ waitMs = 0, ...query }, options) => (waitMs === 0 ? readPage(query, options) : waitForPage({ ...query, waitMs }, options)),
    async get(id) {
      // Asked first: if the log is replaced meanwhile, the cursor is refused instead of naming another message.
      const epoch = await log.epoch()
      const message = await log.get(id)
      if (message === undefined)
        throw new MessageNotFound('No message with this id is stored here. It may have been pruned or damaged on disk.')
      return { message, epoch }
    },
  }
}

const everything: TopicFilter = { exact: [directTopic], prefixes: [''] }

/** Whether a step scans only matching rows: those of one topic, which has an index, or the whole log. */
function isSeries(topics: TopicFilter | undefined): boolean {
  if (topics === undefined) return true
  const { exact, prefixes } = topics
  return prefixes.length === 0 ? exact.length === 1 : prefixes.includes('') && exact.includes(directTopic)
}

/** Whether the step was paid. @throws RateLimited for the first step, when there is nothing to return yet */
function paid(pay: () => void, isFirst: boolean): boolean {
  try {
    pay()
    return true
  } catch (error) {
    if (isFirst || !(error instanceof RateLimited)) throw error
    return false
  }
}

function orderOf({ order, after }: PageQuery): 'asc' | 'desc' {
  return order ?? (after === undefined ? 'desc' : 'asc')
}

function expired(ends: LogPosition): CursorExpired {
  return new CursorExpired('Messages after this cursor were pruned. Continue from "earliest".', members(ends))
}

/** What the client needs to continue, as members of the problem document. */
function members({ epoch, earliest, tip }: LogPosition) {
  return { extensions: { earliest: formatCursor(epoch, earliest), latest: formatCursor(epoch, tip), epoch } }
}
