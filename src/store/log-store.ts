import type { Seq } from '../model/cursor.ts'
import type { MessageKind, NewMessage, StoredMessage } from '../model/message.ts'
import type { Retention } from '../model/retention.ts'
import type { TopicFilter } from '../model/topic.ts'
import type { AppendResult, KeyedMessages, PublishedUnderKey } from './log-append.ts'

/** Maximum rows that one step of a scan looks at, matching or not. */
export const scanRows = 2_000

/**
 * The log of messages: append-only, with seqs given by the database.
 *
 * Each message has a checksum, which every read verifies, and a sum of its seq and times, which is verified by
 * everything that decides by these: a message whose time was changed on disk is not removed, kept or skipped because of
 * it. A message that fails either check is damaged, and is never returned. The read that finds it removes it from the
 * log, corrects the counters of its topic and notes the damage, in one transaction. From then on its id is unknown, so
 * that it can be appended again, and steps that pass its seq report it. Damage notes are removed when their part of the
 * topic is pruned, and when they are as old as forgotten ids. When a row is found under a seq that is not its own, the
 * read rejects with DatabaseDamaged.
 */
export interface LogStore {
  /**
   * Names the log that cursors belong to: 1–32 letters and digits. A new one is drawn when the log has lost messages
   * that were served from it (its newest message is older than the newest that this data directory has served).
   */
  epoch(): Promise<string>
  /**
   * The log's ends, of all messages or of the given topics. `tip` is always the seq of the newest message of the whole
   * log, 0 when there never was one. `earliest` is the position before the oldest retained message, or noted damage,
   * that matches; the `tip` when no message matches. `prunedThrough` is the seq of the newest matching message that was
   * pruned after the step of pruning `prunedSince` (default: 0, all steps); 0 without such a message. It may be greater
   * when matching topics may have been forgotten (`forgetTopics`). `pruneCount` is the number of the newest step of
   * pruning that removed a message. `messages` is the number of stored messages that match.
   */
  position(filter?: TopicFilter, prunedSince?: number, pay?: PayComparisons): Promise<LogPosition>
  /**
   * Adds messages in one transaction, in the order given, and returns one entry each, in the same order. A message
   * whose id is already known is not stored again: its entry is `known` and names the stored message, or nothing when
   * it was pruned. Seqs rise in the order given and are never reused, even after the newest messages were deleted.
   * `previousTip` is the tip before the batch, `epoch` the epoch of the log that stores it; both are read in the
   * transaction. Idempotency keys are noted in the same transaction. The messages of a key that has already published
   * are not stored: the key is among `takenKeys`, and their entries name no message. `receivedAt` never falls: a
   * message with an earlier time is stored with that of the newest message before it.
   */
  append(messages: NewMessage[], keyed?: KeyedMessages[]): Promise<AppendResult>
  /** Trial write: a small write, as durable as an append, always to the same place. Rejects when an append would. */
  tryWrite(): Promise<void>
  /**
   * What was published under an idempotency key that was noted at or after `since` (milliseconds since 1970), or
   * undefined.
   */
  published(key: string, since: number): Promise<PublishedUnderKey | undefined>
  /** Counts the noted idempotency keys that start with the prefix, which ends in a space; stops at `limit`. */
  countKeys(prefix: string, limit: number): Promise<number>
  /** Notes how many peers each message under the key was handed to. Notes of the last second may be lost in a crash. */
  noteRecipients(key: string, recipients: number[]): Promise<void>
  /**
   * One step of a scan: messages with `after < seq <= through`, in the given order, at most `limit` and about
   * `maxBytes` of data (but at least one). A step scans at most `scanRows` rows, so it may end before either limit:
   * `scanned` is the position up to which every match was returned. The scan is complete when it equals the far end
   * (`through`, or `after` in descending order, whose steps go down to `scanned`, exclusive). `through` defaults to the
   * tip; a position past the tip counts as the tip. With `prunedSince`, `prunes` reports each topic with messages after
   * `after` that were pruned after that step of pruning, forgotten topics included (`forgetTopics`). `removed` are the
   * damaged and deleted messages of the topics in the range that the step has passed, in its order.
   */
  read(query: LogQuery): Promise<LogStep>
  /**
   * One step of a count: the messages that `read` would return with `after < seq <= scanned`. A step scans at most
   * `scanRows` rows; the count is complete when `scanned` equals `through`. A message whose data was damaged on disk
   * counts until a read finds it.
   */
  count(query: CountQuery): Promise<CountStep>
  /**
   * `read` without the data, for telling peers what is here. A step scans a bounded number of rows and returns all
   * matches. Messages of other topics cost nothing.
   */
  outline(query: OutlineQuery): Promise<LogOutline>
  /**
   * Checks the messages after a position, at most `limit`, and returns the damaged ones. They are taken out only with
   * `repair`.
   */
  check(query: { after: Seq; limit: number; repair: boolean }): Promise<LogCheck>
  /**
   * Damaged topic messages whose id is not known again, by their former seq, at most `limit`. Direct messages are left
   * out.
   */
  missing(query: { after: Seq; limit: number }): Promise<Missing[]>
  /** The message with this public id, or undefined. */
  get(id: string): Promise<StoredMessage | undefined>
  /**
   * The stored messages among these ids, ordered by seq, about `maxBytes` of data at most (but at least one message).
   */
  find(ids: string[], maxBytes: number): Promise<StoredMessage[]>
  /** The ids that were never stored (pruned ones were) nor refused. */
  unknown(ids: string[]): Promise<string[]>
  /** Notes the ids of refused messages at this time: from now on they are known, like those of pruned messages. */
  refuse(ids: string[], now: number): Promise<void>
  /** The topics, a hundred at most, that exceed their retention. */
  prunable(query: PruneQuery): Promise<string[]>
  /**
   * Removes the oldest messages of a topic, at most `limit`: those that exceed its retention or, with `through`, all up
   * to that seq. Undefined when there was nothing to remove. Their ids stay known, so that they are not stored again.
   */
  prune(query: PruneQuery & { topic: string; limit: number; through?: Seq }): Promise<Pruned | undefined>
  /**
   * Deletes a stored message; undefined when none has this id. Atomic: the counters of its topic fall by it, its id
   * stays known like that of a pruned one, and until it is pruned or its id is forgotten, steps that pass its seq report
   * it.
   */
  delete(id: string, now: number): Promise<Deleted | undefined>
  /**
   * Removes ids of pruned messages and idempotency keys older than the given times, at most `limit` of each; returns
   * how many. The age of damage counts from the first call that met it.
   */
  forget(query: { now: number; idsBefore: number; keysBefore: number; limit: number }): Promise<number>
  /**
   * Forgets topics without messages, limits of their own, or joins, at most `limit`: those whose last message was
   * pruned before `emptyBefore`, and the longest empty ones beyond `maxEmpty`. Returns how many. For all forgotten
   * topics together the log remembers the newest pruned message and the newest step of pruning. A reader that asks for
   * an unknown topic is told that messages were pruned up to that one: it may be told of more than it missed, never of
   * less.
   */
  forgetTopics(query: ForgetTopicsQuery): Promise<number>
  /** The seq up to which the messages of this author were handed to the network; 0 at first. */
  sentThrough(author: string): Promise<Seq>
  /**
   * Raises the sent mark; it never falls. A mark of the last second may be lost in a crash: sending again is harmless.
   */
  markSent(author: string, through: Seq): Promise<void>
}

/**
 * Is called before topics are compared with patterns, with about the number of comparisons, of less than a microsecond
 * each; may throw, which ends the call.
 */
export type PayComparisons = (comparisons: number) => void

/** For calls that nobody pays for. */
export const unpaid: PayComparisons = () => undefined

export interface LogPosition {
  /** Epoch of the log, read together with its ends. */
  epoch: string
  tip: Seq
  earliest: Seq
  prunedThrough: Seq
  pruneCount: number
  /** Undefined when the log changed while they were counted. */
  messages: number | undefined
}

export interface PruneQuery {
  /** For topics without limits of their own. */
  defaults: Retention
  /** Age time. */
  now: number
}

export interface Pruned {
  /** Seq of the newest message removed, and number of the step that removed it. */
  through: Seq
  pruneCount: number
  messages: number
  bytes: number
}

export interface LogQuery {
  after: Seq
  through?: Seq
  order: 'asc' | 'desc'
  limit: number
  maxBytes?: number
  topics?: TopicFilter
  kind?: MessageKind
  /** Recipient. */
  to?: string
  /** Author. */
  from?: string
  /** Received at or after, in milliseconds since 1970. */
  since?: number
  /** Received before, in milliseconds since 1970. */
  until?: number
  /** Stored at or after; age time. */
  storedSince?: number
  /** A step of pruning; the result then reports what was pruned after it. */
  prunedSince?: number
}

/** `through` counts as the tip when it is past it. */
export interface CountQuery extends Omit<LogQuery, 'order' | 'limit' | 'maxBytes' | 'prunedSince'> {
  through: Seq
}

export interface CountStep {
  messages: number
  scanned: Seq
}

/** Messages of exact topics after a position, stored at or after a time (age time). */
export interface OutlineQuery {
  after: Seq
  topics: string[]
  since: number
}

export interface LogOutline {
  entries: OutlineEntry[]
  /** Scanned messages of the topics, including those before `since`: the cost of the step. */
  looked: number
  /** Position up to which every message was scanned. */
  scanned: Seq
  /** Whether that is the end of the log. */
  caughtUp: boolean
}

export interface OutlineEntry {
  id: string
  topic: string
  /** Bytes of data. */
  bytes: number
  /** When the first gateway on its way here received it; age time. */
  firstSeenAt: number
}

export interface LogStep {
  messages: StoredMessage[]
  scanned: Seq
  prunes?: Prunes
  removed?: Removed[]
}

/** A message that was taken out of the log by itself: found damaged, or deleted by a client. */
export interface Removed extends Damaged {
  reason: 'damaged' | 'deleted'
}

export interface Deleted {
  seq: Seq
  /** Bytes of data. */
  bytes: number
}

/** A stored message that can't be read. All fields are as the damaged row states them. */
export interface Damaged {
  seq: Seq
  id: string
  /** Undefined when the row names no existing topic: the message may belong to any. */
  topic: string | undefined
}

export interface LogCheck {
  damaged: Damaged[]
  /** Number of messages checked, the position reached, and whether that is the end of the log. */
  looked: number
  scanned: Seq
  caughtUp: boolean
}

/** A damaged message that has to be fetched from peers. */
export interface Missing {
  /** Its former seq. */
  seq: Seq
  id: string
  /** Undefined when it may belong to any topic. */
  topic: string | undefined
  /** When the first gateway on its way here received it; milliseconds since 1970. */
  firstSeenAt: number
}

/**
 * Pruned topics of a range. `count` is the number of the newest step of pruning. `topic` is undefined for forgotten
 * topics.
 */
export interface Prunes {
  count: number
  topics: Array<{ topic: string | undefined; through: Seq }>
}

export interface ForgetTopicsQuery {
  /** Age time. */
  emptyBefore: number
  maxEmpty: number
  limit: number
}
