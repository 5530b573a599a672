import { costOfComparisons } from '../access/rates.ts'
import { CursorAhead, CursorEpochMismatch, CursorExpired } from '../errors.ts'
import { type Cursor, formatCursor, parseCursor, type Seq } from '../model/cursor.ts'
import type { TopicFilter } from '../model/topic.ts'
import type { LogPosition, LogStore, PayComparisons } from '../store/log-store.ts'

/** Positions as clients give them, a cursor, `earliest` or `latest`, and where they are in the log. */
export interface Positions {
  /**
   * Where a reader after the position starts.
   * @throws InvalidCursor
   * @throws CursorEpochMismatch when the cursor belongs to a different log
   * @throws CursorAhead when it is past the tip
   * @throws CursorExpired when a matching message after it was pruned
   * @throws RateLimited when the client cannot pay for the comparisons of topics with patterns
   */
  resolve(position: string, filter?: TopicFilter, by?: Payer): Promise<Start>
  /** The seq of the position; messages after it may be gone. @throws what `resolve` throws, except CursorExpired */
  locate(position: string, filter?: TopicFilter): Promise<Seq>
  /**
   * The seq of the newest message before the position, and the epoch of the log.
   * @throws what `resolve` throws, except CursorExpired
   */
  lastBefore(position: string | undefined, filter?: TopicFilter, by?: Payer): Promise<{ epoch: string; seq: Seq }>
}

/** The client that pays, before it is done, for what is compared to find a position. */
export interface Payer {
  /** Takes a cost, in units, from the client's budget. @throws RateLimited */
  pay(units: number): void
}

/** Where a reader starts. */
export interface Start {
  seq: Seq
  /** The reader already knows what was pruned up to this step of pruning. */
  pruneCount: number
  cursor: string
}

export function createPositions(components: { log: Pick<LogStore, 'position'> }): Positions {
  const { log } = components

  /** The cursor's seq, after checking that it belongs to this log and is not past the newest message it may name. */
  async function place(
    { epoch, seq, pruneCount }: Cursor,
    filter?: TopicFilter,
    newest = (tip: Seq) => tip,
    pay?: PayComparisons,
  ): Promise<{ seq: Seq; ends: LogPosition }> {
    const ends = await log.position(filter, pruneCount, pay)
    if (epoch !== ends.epoch) throw new CursorEpochMismatch('This cursor belongs to a different log.', members(ends))
    if (seq > newest(ends.tip)) throw new CursorAhead('This cursor is ahead of the newest message in the log.', members(ends))
    return { seq, ends }
  }

  async function resolve(position: string, filter?: TopicFilter, by?: Payer): Promise<Start> {
    const pay = payOf(by)
    if (position === 'earliest' || position === 'latest') {
      // The end of the log is that of every filter.
      const ends = await log.position(position === 'earliest' ? filter : undefined, undefined, pay)
      const seq = position === 'earliest' ? ends.earliest : ends.tip
      const pruneCount = ends.prunedThrough > seq ? ends.pruneCount : 0
      return { seq, pruneCount, cursor: formatCursor(ends.epoch, seq, pruneCount) }
    }
    const cursor = parseCursor(position)
    const { seq, ends } = await place(cursor, filter, undefined, pay)
    if (seq < ends.prunedThrough) throw expired(ends)
    return { seq, pruneCount: cursor.pruneCount ?? 0, cursor: position }
  }

  return {
    resolve,
    async locate(position, filter) {
      if (position === 'earliest' || position === 'latest') return (await resolve(position, filter)).seq
      return (await place(parseCursor(position), filter)).seq
    },
    async lastBefore(position, filter, by) {
      const pay = payOf(by)
      if (position === undefined || position === 'latest' || position === 'earliest') {
        const { epoch, tip, earliest } = await log.position(position === 'earliest' ? filter : undefined, undefined, pay)
        return { epoch, seq: position === 'earliest' ? earliest : tip }
      }
      const cursor = parseCursor(position)
      // All messages are before the one that comes next.
      const { seq } = await place(cursor, filter, (tip) => tip + 1, pay)
      return { epoch: cursor.epoch, seq: Math.max(0, seq - 1) }
    },
  }
}

function payOf(by: Payer | undefined): PayComparisons | undefined {
  return by && ((comparisons) => by.pay(costOfComparisons(comparisons)))
}

export function expired(ends: LogPosition): CursorExpired {
  return new CursorExpired('Messages after this cursor were pruned. Continue from "earliest".', members(ends))
}

/** What the client needs to continue, as members of the problem document. */
function members({ epoch, earliest, tip }: LogPosition) {
  return { extensions: { earliest: formatCursor(epoch, earliest), latest: formatCursor(epoch, tip), epoch } }
}
