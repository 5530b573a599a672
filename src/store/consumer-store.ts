import type { Seq } from '../model/cursor.ts'

/**
 * Consumers: named positions in the log, whose messages are handed out to workers and settled one by one.
 *
 * The messages after the position of a consumer have not been taken in yet. Those that were are *items* until they are
 * settled: waiting for a worker, claimed by one until a time, or parked. A message of the selection is thus in exactly
 * one of these places: after the position, an item, or settled.
 */
export interface ConsumerStore {
  /** All consumers, by name. Their number is bounded by `maxConsumers`. */
  list(): Promise<ConsumerRecord[]>
  get(name: string): Promise<ConsumerRecord | undefined>
  /** Creates a consumer. With one of the name, changes nothing and returns that one. */
  create(consumer: ConsumerRecord): Promise<{ consumer: ConsumerRecord; created: boolean }>
  /** Replaces the settings, if they still are those of the record; false otherwise. Items keep their lanes. */
  configure(consumer: ConsumerRecord, settings: ConsumerSettings): Promise<boolean>
  /** Removes a consumer and its items; false when there was none. A crash may leave items behind. */
  remove(name: string): Promise<boolean>
  /** Removes the items that crashes during `remove` have left behind. */
  finishRemovals(): Promise<void>
  /**
   * Takes `fresh` messages in, if the position is where they begin; parks due items that have had all their attempts, at
   * most `stepItems`; then claims other due items, oldest first, at most `limit`, and as many as `maxUnacked` leaves.
   * Items without an attempt are claimed while fewer than `maxUnacked` and `maxAhead` others are open, so that the cost
   * does not grow with what was replayed. A claim counts an attempt. Messages without a lane are claimed as they come in
   * where there is room. An item is due when its time has come and, if it has a lane, when no older item of the lane
   * waits and none is claimed. All of it is one transaction. Undefined when there is no such consumer, or another one of
   * this name.
   */
  take(query: TakeQuery): Promise<Taken | undefined>
  /**
   * Carries out verdicts one after another, in one transaction; returns which of them settled an item, in their order.
   * Undefined, with nothing done, when there is no such consumer, or another one of this name.
   * `ack` and `drop` are about the message: they remove an item, whatever its state. `retry` and `progress` are about a
   * claim, and do nothing when it has ended. `retry` makes the item due at `dueAt`, or parks it when it has had
   * `maxDeliveries` attempts. `progress` extends the claim to `dueAt`.
   */
  settle(query: SettleQuery): Promise<boolean[] | undefined>
  /**
   * Which of these claims have not ended, by the ids of their items. Undefined when there is no such consumer, or
   * another one of this name.
   */
  held(query: Pick<TakeQuery, 'name' | 'createdAt'> & { claims: ItemClaim[] }): Promise<string[] | undefined>
  /** Removes items whose messages are no longer in the log, and notes the gap. */
  lose(name: string, ids: string[], gap: ConsumerGap): Promise<void>
  /** The same for all items up to a seq, in steps: older messages are no longer in the log. */
  loseThrough(name: string, through: Seq): Promise<void>
  /** Ends these claims, if they have not ended: the items are due at `now`. With `uncounted` their attempt did not take place. */
  release(query: { name: string; now: number; claims: ItemClaim[]; uncounted?: boolean }): Promise<void>
  /** Ends all claims of a gateway. At its start these belong to an earlier run that crashed. */
  disown(query: { by: string; now: number }): Promise<void>
  /** Parked items after a seq, by seq, at most `limit`. */
  parked(query: { name: string; after: Seq; limit: number }): Promise<ConsumerItem[]>
  /** Makes parked items due, with no attempts: these, or all, in steps; returns how many. */
  replay(query: { name: string; ids?: string[] | undefined }): Promise<number>
  /** Counts the items of a consumer. */
  count(query: { name: string; now: number }): Promise<ItemCounts>
}

/**
 * Maximum items that one transaction changes: parked ones can be as many as the log has messages, and SQLite runs one
 * statement while nothing else runs.
 */
export const stepItems = 1_000
/** Items that may wait, beside `maxUnacked`, so that a lane does not keep others from being taken in. */
export const maxAhead = 1_000

/** `author`: one message of an author at a time. `strict`: one message at a time. */
export type ConsumerOrder = 'none' | 'author' | 'strict'

export interface ConsumerSettings {
  /** Topics and patterns. */
  topics: string[]
  /** Whether direct messages are among them. */
  direct: boolean
  order: ConsumerOrder
  /** How long a worker may take for a message, in milliseconds. */
  ackWaitMs: number
  /** Maximum claimed items. */
  maxUnacked: number
  /** Attempts after which an item is parked; 0 for no limit. */
  maxDeliveries: number
  /** Milliseconds before the first retry; doubled for each further one. */
  backoffMs: number
}

export interface ConsumerRecord {
  name: string
  /** Who created it (`clientKey`). */
  client: string
  settings: ConsumerSettings
  /** Milliseconds since 1970. */
  createdAt: number
  /** Everything up to here was taken in. */
  position: Seq
  /** The step of pruning up to which losses are in `gaps`. */
  prunedSince: number
  /** How often messages were gone before a worker had them, and the newest such range. */
  gaps: number
  lastGap: ConsumerGap | null
}

/** Messages after `from`, up to `to`, some of which matched and were gone before a worker had them. */
export interface ConsumerGap {
  from: Seq
  to: Seq
}

/** Messages that were read after the position `from`, up to `through`. */
export interface FreshMessages {
  from: Seq
  through: Seq
  prunedSince: number
  items: NewItem[]
  gap?: ConsumerGap | undefined
}

export interface NewItem {
  /** Id of the message. */
  id: string
  seq: Seq
  /** Items of one lane are claimed one at a time, in order; null: in no lane. */
  lane: string | null
}

export interface TakeQuery {
  name: string
  /** When the consumer was created: it tells it from one of the same name. */
  createdAt: number
  /** The gateway. */
  by: string
  /** Names the claims that this makes. No other take has it, so that an item is told from its earlier deliveries. */
  claim: string
  now: number
  /** When the claims end. */
  until: number
  limit: number
  fresh?: FreshMessages | undefined
}

export interface SettleQuery extends Pick<TakeQuery, 'name' | 'createdAt'> {
  verdicts: ItemVerdict[]
}

export interface Taken {
  /** The claimed items, oldest first. */
  items: ConsumerItem[]
  /** As it is after this. */
  consumer: ConsumerRecord
  /** Items that are not parked, after this. The count ends at 20,000. */
  open: number
  /** Whether items are due that were not claimed. They may be behind others in their lanes. */
  isLeft: boolean
  /** When the next item that is not due becomes due, or the next claim ends; undefined without any. */
  nextAt: number | undefined
  /** How many items were parked. */
  parked: number
}

export interface ConsumerItem {
  id: string
  seq: Seq
  /** Attempts so far, a current one included. */
  attempt: number
}

/** An item as one take has claimed it. */
export interface ItemClaim {
  id: string
  claim: string
}

export type ItemVerdict =
  | { id: string; verdict: 'ack' }
  | { id: string; verdict: 'drop' }
  /** `dueAt` by the number of attempts so far. */
  | (ItemClaim & { verdict: 'retry'; dueAt(attempt: number): number })
  | (ItemClaim & { verdict: 'progress'; dueAt: number })

export interface ItemCounts {
  waiting: number
  claimed: number
  parked: number
}
