import { setImmediate as nextTurn } from 'node:timers/promises'
import { createClientShares } from '../access/client-shares.ts'
import { MessageNotFound, Overloaded, ParametersConflict } from '../errors.ts'
import { createDeadline } from '../lib/deadline.ts'
import { omitUndefined } from '../lib/omit-undefined.ts'
import { createSemaphore } from '../lib/semaphore.ts'
import type { Limits } from '../limits.ts'
import { formatCursor, parseCursor } from '../model/cursor.ts'
import type { MessageKind, StoredMessage } from '../model/message.ts'
import { directTopic, everyTopic, everything, type TopicFilter, withDirect } from '../model/topic.ts'
import { type CountQuery, type LogStore, type Removed, scanRows } from '../store/log-store.ts'
import type { Hub } from './hub.ts'
import { matchesUntil } from './matches-until.ts'
import { createPositions, expired, type Payer, type Positions } from './positions.ts'
import { createRowBudget, type RowBudget } from './row-budget.ts'

/** The log as clients read it: positions given as cursors or words, and pages. Live delivery belongs to the hub. */
export interface History extends Pick<Positions, 'resolve' | 'locate'> {
  /**
   * Reads in steps, and yields to other work between them. Each step is paid before it runs, by the rows that it may
   * scan, matching or not. A page ends, short or even empty, when the next step cannot be paid, and after `maxPageRows`
   * rows. With `waitMs`, an empty page in ascending order waits for messages while any that may still arrive can match.
   * @throws what `resolve` throws, for `after` and, except CursorExpired, for `before`
   * @throws ParametersConflict when `waitMs` is given without an ascending order after a position
   * @throws Overloaded when too many requests wait, or too many of one client
   * @throws RateLimited when the first step cannot be paid
   */
  page(query: PageQuery, options: PageOptions): Promise<Page>
  /** Number of requests that wait for messages. */
  readonly longPolls: number
  /** @throws MessageNotFound */
  get(id: string): Promise<{ message: StoredMessage; epoch: string }>
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
  /** Whether to count the matches in the whole range. The count scans what is left of the rows of the page. */
  count?: boolean | undefined
}

export interface PageOptions extends Payer {
  signal: AbortSignal
  /** The client that asks (`clientKey`). */
  client: string
}

export interface Page {
  items: StoredMessage[]
  /** Damaged and deleted messages of the topics within the page's range, in the same order. */
  removed: Removed[]
  /** The cursor after the range that this page covers: `after` of a page of newer messages. */
  newer: string
  /** The cursor before the range that this page covers: `before` of a page of older messages. */
  older: string
  /** Whether the page reached the far end of the requested range: at that moment there was nothing more. */
  caughtUp: boolean
  epoch: string
  /** The matches in the requested range, if asked for. */
  count?: Count
}

export interface Count {
  messages: number
  /** Whether the whole range was counted. If not, `messages` is a lower bound. */
  isExact: boolean
}

export type HistoryLimits = Pick<Limits, 'maxReadMessages' | 'maxReadBytes' | 'maxLongPolls' | 'clientSharePercent'>

/** Maximum pages read at a time, each of up to `maxReadBytes`, and maximum pages queued; clients share both. */
const maxReadingPages = 8
const maxPages = 1_000

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
  const { resolve, locate, lastBefore } = createPositions({ log })
  const reading = createSemaphore({
    max: maxReadingPages,
    maxWaiting: maxPages,
    shares: (max) => createClientShares({ max, limits: init.limits }),
  })
  const longPolls = createClientShares({ max: maxLongPolls, limits: init.limits })

  async function readPage(query: PageQuery, options: PageOptions): Promise<Page> {
    const { signal, client, pay } = options
    using place = await reading.take(signal, client)
    if (place === undefined)
      throw new Overloaded('Too many requests are waiting for a page of messages, in all or from this client.', { retryAfterMs })
    const { limit, topics } = query
    const order = orderOf(query)
    const start = query.after === undefined ? undefined : await resolve(query.after, topics, options)
    const after = start?.seq ?? 0
    const { seq: through, epoch: placed } = await lastBefore(query.before, topics, options)
    // The epoch in which the range was placed: if the log is replaced meanwhile, the cursors of this page are refused.
    const epoch = start === undefined ? placed : parseCursor(start.cursor).epoch
    const range = { low: after, high: Math.max(after, through) }
    const { kind, from, to, since, until } = query
    const filters = omitUndefined({ topics, kind, from, to, since, until })
    let prunedSince = start?.pruneCount
    const items: StoredMessage[] = []
    const removed: Removed[] = []
    const isFiltered = [kind, from, to, since, until].some((filter) => filter !== undefined)
    const matchesAll = isSeries(topics) && !isFiltered
    const budget = createRowBudget(pay)
    let bytes = 0
    while (range.low < range.high && items.length < limit && bytes < maxReadBytes && removed.length < maxReadMessages) {
      signal.throwIfAborted()
      const stepRows = Math.min(scanRows, range.high - range.low, matchesAll ? limit - items.length : scanRows)
      if (!budget.take(stepRows)) break
      const bounds = {
        after: range.low,
        through: range.high,
        limit: Math.min(limit - items.length, maxReadMessages),
        maxBytes: maxReadBytes - bytes,
      }
      const step = await log.read({ ...filters, ...omitUndefined({ prunedSince }), ...bounds, order })
      if (step.prunes !== undefined && step.prunes.topics.length > 0) throw expired(await log.position(topics))
      // What was pruned up to this step need not be compared with the topics again.
      prunedSince = step.prunes?.count
      for (const message of step.messages) bytes += message.data.length
      items.push(...step.messages)
      removed.push(...(step.removed ?? []))
      if (order === 'asc') range.low = step.scanned
      else range.high = step.scanned
      await nextTurn()
    }
    const isWhole = !isFiltered && isEnd(query.after, 'earliest') && isEnd(query.before, 'latest')
    const rest = { ...omitUndefined({ topics, kind, from, to, since, until }), after: range.low, through: range.high }
    // The page covers the messages after `low` and up to `high`.
    const [low, high] = order === 'asc' ? [after, range.low] : [range.high, Math.max(after, through)]
    return {
      items,
      removed,
      newer: formatCursor(epoch, high, start?.pruneCount),
      older: formatCursor(epoch, low + 1),
      caughtUp: range.low >= range.high,
      epoch,
      ...(query.count === true ? { count: await count({ found: items.length, rest, isWhole, budget, signal }) } : {}),
    }
  }

  /** Counts the matches of a range, of which the page has found some and left the rest. */
  async function count(range: {
    found: number
    rest: CountQuery
    /** Whether the range is all that is stored of its topics: their counters have the number. */
    isWhole: boolean
    budget: RowBudget
    signal: AbortSignal
  }): Promise<Count> {
    const { found, rest, isWhole, budget, signal } = range
    const stored = isWhole && rest.after < rest.through ? (await log.position(rest.topics)).messages : undefined
    if (stored !== undefined) return { messages: stored, isExact: true }
    let messages = found
    let { after } = rest
    while (after < rest.through) {
      signal.throwIfAborted()
      if (!budget.take(Math.min(scanRows, rest.through - after))) return { messages, isExact: false }
      const step = await log.count({ ...rest, after })
      messages += step.messages
      after = step.scanned
      await nextTurn()
    }
    return { messages, isExact: true }
  }

  async function waitForPage(query: PageQuery & { waitMs: number }, options: PageOptions): Promise<Page> {
    if (query.after === undefined || orderOf(query) !== 'asc') {
      throw new ParametersConflict('waitMs requires after and ascending order.', {
        errors: [{ path: '/waitMs', message: 'requires after and ascending order' }],
      })
    }
    using place = longPolls.take(options.client)
    if (place === undefined)
      throw new Overloaded('Too many requests are waiting for messages, in all or from this client.', { retryAfterMs })
    const deadline = performance.now() + Math.min(query.waitMs, matchesUntil(query) - now())
    for (let after = query.after; ; ) {
      using news = nextAppend(query.topics ?? everyMessage)
      const found = await readPage({ ...query, after }, options)
      const left = deadline - performance.now()
      if (found.items.length > 0 || found.removed.length > 0 || !found.caughtUp || left <= 0) return found
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
        using deadline = createDeadline(ms, [signal])
        if (deadline.signal.aborted) wake()
        deadline.signal.addEventListener('abort', () => wake())
        await promise
      },
      [Symbol.dispose]: unfollow,
    }
  }

  return {
    get longPolls() {
      return longPolls.total
    },
    resolve,
    locate,
    page: ({ waitMs = 0, ...query }, options) => (waitMs === 0 ? readPage(query, options) : waitForPage({ ...query, waitMs }, options)),
    async get(id) {
      // Asked first: if the log is replaced meanwhile, the cursor is refused instead of naming another message.
      const epoch = await log.epoch()
      const message = await log.get(id)
      if (message === undefined) throw messageNotFound()
      return { message, epoch }
    },
  }
}

export function messageNotFound(): MessageNotFound {
  return new MessageNotFound('No message with this id is stored here. It may have been pruned, deleted, or damaged on disk.')
}

const everyMessage: TopicFilter = withDirect(everything, true)

/** Whether a step scans only matching rows: those of one topic, which has an index, or the whole log. */
function isSeries(topics: TopicFilter | undefined): boolean {
  if (topics === undefined) return true
  const { exact, patterns } = topics
  return patterns.length === 0 ? exact.length === 1 : patterns.includes(everyTopic) && exact.includes(directTopic)
}

function orderOf({ order, after }: PageQuery): 'asc' | 'desc' {
  return order ?? (after === undefined ? 'desc' : 'asc')
}

/** Whether a position of a query excludes nothing. */
function isEnd(position: string | undefined, end: 'earliest' | 'latest'): boolean {
  return position === undefined || position === end
}
