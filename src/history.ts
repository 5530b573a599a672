import { setImmediate as nextTurn } from 'node:timers/promises'
import { CursorAhead, CursorEpochMismatch, CursorExpired, MessageNotFound } from './errors.ts'
import { type Cursor, formatCursor, parseCursor, type Seq } from './model/cursor.ts'
import type { MessageKind, StoredMessage } from './model/message.ts'
import type { TopicFilter } from './model/topic.ts'
import type { LogPosition, LogStore } from './store/store.ts'

/** The log as clients read it: positions given as cursors or words, and pages. */
export interface History {
  epoch(): Promise<string>
  /**
   * The position that a client means: a cursor, or `earliest` (before the oldest retained message that matches) or `latest` (the tip).
   * Everything that matches the filter and came after it is still there. The errors but the first carry `earliest`, `latest`, `epoch`.
   * @throws InvalidCursor
   * @throws CursorEpochMismatch when the cursor is of another log
   * @throws CursorAhead when it is past the tip
   * @throws CursorExpired when a message that matches was pruned after it
   */
  resolve(position: string, filter?: TopicFilter): Promise<Seq>
  /** Reads in steps, and lets others work between them. @throws what `resolve` throws, for `after` and, but for CursorExpired, for `before` */
  page(query: PageQuery, options: { signal: AbortSignal }): Promise<Page>
  /** @throws MessageNotFound */
  get(id: string): Promise<{ message: StoredMessage; epoch: string }>
}

export interface PageQuery {
  topics?: TopicFilter | undefined
  kind?: MessageKind | undefined
  from?: string | undefined
  /** Received at or after, and received before: milliseconds since 1970. */
  since?: number | undefined
  until?: number | undefined
  /** Only what comes after this position. */
  after?: string | undefined
  /** Only what comes before the message at this cursor, itself excluded; `latest` excludes nothing. */
  before?: string | undefined
  /** By default `asc` when `after` is given, else `desc`: the newest come first. */
  order?: 'asc' | 'desc' | undefined
  limit: number
}

export interface Page {
  items: StoredMessage[]
  /** Where the next page begins: in ascending order its `after`, in descending order its `before`. */
  next: Seq
  /** Whether the page reached the far end of what was asked for; there was nothing more at that moment. */
  caughtUp: boolean
  epoch: string
}

export interface HistoryLimits {
  maxReadMessages: number
  maxReadBytes: number
}

export function createHistory(init: { limits: HistoryLimits }, components: { log: LogStore }): History {
  const { maxReadMessages, maxReadBytes } = init.limits
  const { log } = components

  /** The cursor's number, once it is known to be of this log and not past its tip. */
  async function place({ epoch, seq }: Cursor, filter?: TopicFilter): Promise<{ seq: Seq; ends: LogPosition }> {
    const [current, ends] = await Promise.all([log.epoch(), log.position(filter)])
    if (epoch !== current)
      throw new CursorEpochMismatch('This cursor is of another log than the one that is here now.', members(current, ends))
    if (seq > ends.tip) throw new CursorAhead('This cursor is past the newest message of the log.', members(current, ends))
    return { seq, ends }
  }

  async function resolve(position: string, filter?: TopicFilter): Promise<Seq> {
    if (position === 'earliest') return (await log.position(filter)).earliest
    if (position === 'latest') return (await log.position(filter)).tip
    const { seq, ends } = await place(parseCursor(position), filter)
    if (seq < ends.prunedThrough) {
      throw new CursorExpired('Messages after this cursor were pruned; go on from "earliest".', members(await log.epoch(), ends))
    }
    return seq
  }

  /** The number of the newest message that comes before the position. */
  async function lastBefore(position: string | undefined, filter?: TopicFilter): Promise<Seq> {
    if (position === undefined || position === 'latest') return (await log.position()).tip
    if (position === 'earliest') return (await log.position(filter)).earliest
    const { seq } = await place(parseCursor(position), filter)
    return Math.max(0, seq - 1)
  }

  async function page(query: PageQuery, { signal }: { signal: AbortSignal }): Promise<Page> {
    const { limit, topics } = query
    const order = query.order ?? (query.after === undefined ? 'desc' : 'asc')
    const after = query.after === undefined ? 0 : await resolve(query.after, topics)
    const through = await lastBefore(query.before, topics)
    const range = { low: after, high: Math.max(after, through) }
    const filters = given({ topics, kind: query.kind, from: query.from, since: query.since, until: query.until })
    const items: StoredMessage[] = []
    let bytes = 0
    while (range.low < range.high && items.length < limit && bytes < maxReadBytes) {
      signal.throwIfAborted()
      const bounds = {
        after: range.low,
        through: range.high,
        limit: Math.min(limit - items.length, maxReadMessages),
        maxBytes: maxReadBytes - bytes,
      }
      const step = await log.read({ ...filters, ...bounds, order })
      for (const message of step.messages) bytes += message.data.length
      items.push(...step.messages)
      if (order === 'asc') range.low = step.scanned
      else range.high = step.scanned
      await nextTurn()
    }
    const next = order === 'asc' ? range.low : Math.min(range.high + 1, Math.max(after, through))
    return { items, next, caughtUp: range.low >= range.high, epoch: await log.epoch() }
  }

  return {
    epoch: () => log.epoch(),
    resolve,
    page,
    async get(id) {
      const message = await log.get(id)
      if (message === undefined) throw new MessageNotFound('No message with this id is stored here; it may have been pruned.')
      return { message, epoch: await log.epoch() }
    },
  }
}

/** What the client needs to go on, as members of the problem document. */
function members(epoch: string, { earliest, tip }: LogPosition) {
  return { extensions: { earliest: formatCursor(epoch, earliest), latest: formatCursor(epoch, tip), epoch } }
}

type Given<Fields> = { [Name in keyof Fields]?: Exclude<Fields[Name], undefined> }

/** Without the fields that are undefined. */
function given<Fields extends object>(fields: Fields): Given<Fields>
function given(fields: object): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}
