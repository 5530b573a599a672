import type { Seq } from '../model/cursor.ts'
import type { MessageKind, NewMessage, StoredMessage } from '../model/message.ts'
import type { Retention } from '../model/retention.ts'
import type { TopicFilter } from '../model/topic.ts'

/** Rows of the log that one step of a scan looks at, at most, matching or not. */
export const scanRows = 2_000

/**
 * Append-only, numbered by the database.
 *
 * Each message has a checksum, which every read verifies, and a sum of its number and times, which everything verifies that decides by these: a
 * message whose time was changed is neither removed nor kept nor passed over for it. A message that does not match them is damaged. It is never returned: the
 * read that finds it removes it from the log, corrects the counters of its topic and notes the damage, in one transaction. From then on its id
 * is unknown, so that it can be appended again; steps that pass its number say so. Damage is forgotten with what is pruned of its topic, and
 * as old ids are. Where a row is found under another number than its own, the read rejects with DatabaseDamaged.
 */
export interface LogStore {
  /**
   * Names the log that cursors belong to: 1–32 letters and digits. Another one is drawn when the log turns out to have lost what was
   * served from it (its newest message is older than the newest that this data directory has served).
   */
  epoch(): Promise<string>
  /**
   * The log's ends, of all messages or of those of the given topics. `tip` is always the number of the newest message of the whole
   * log, 0 when there never was one. `earliest` is the position before the oldest retained message, or noted damage, that matches, `tip` when none is.
   * `prunedThrough` is the number of the newest matching message that was pruned after the step of pruning `prunedSince` (0 by
   * default: ever), 0 when none was; where topics were forgotten that may match, it may be greater (`forgetTopics`). `pruneCount` is the number of
   * the newest step of pruning that removed something.
   */
  position(filter?: TopicFilter, prunedSince?: number): Promise<LogPosition>
  /**
   * Adds messages in one transaction, in the order given, and answers one entry each, in the same order. A message whose id is already
   * there is not stored again: its entry is `known` and names the message that is, or nothing when it was pruned since. Numbers rise
   * in the order given; they are never used twice, not even after the newest messages were deleted. `previousTip` is the tip before
   * the batch, read in the transaction. What idempotency keys publish is noted in the same transaction; messages of a key that has
   * published before are not stored: it is among `takenKeys`, and their entries name no message. A message is stored with the `receivedAt` of
   * the newest before it where its own is less.
   */
  append(messages: NewMessage[], keyed?: KeyedMessages[]): Promise<AppendResult>
  /** Writes a little, as durably as an append, always in the same place; rejects when an append would. */
  tryWrite(): Promise<void>
  /** What was published under an idempotency key that was noted at or after the time given (milliseconds since 1970), or undefined. */
  published(key: string, since: number): Promise<PublishedUnderKey | undefined>
  /** How many idempotency keys are noted that begin with the prefix, which ends in a space; counts no further than `limit`. */
  countKeys(prefix: string, limit: number): Promise<number>
  /** Notes how many peers each message under the key was handed to. May be lost in a crash when it was noted within the last second. */
  noteRecipients(key: string, recipients: number[]): Promise<void>
  /**
   * One step of a scan: messages with `after < seq <= through`, in the order asked, at most `limit` and at most about `maxBytes`
   * of data (but at least one). A step looks at `scanRows` rows at most, so it may end before either is reached: `scanned` is the
   * position up to which everything matching was answered; the scan is over when it equals the far end (`through`, or `after` in
   * descending order, whose steps go down to `scanned` exclusive). `through` defaults to the tip, and one past it counts as the tip.
   * With `prunedSince`, `prunes` tells of each topic of which messages after `after` were pruned after that step of pruning, and of forgotten ones
   * (`forgetTopics`).
   * `damaged` are the messages of its topics that lay in what the step has passed and were found damaged, in its order.
   */
  read(query: LogQuery): Promise<LogStep>
  /**
   * The same without the data, for telling others what is here: a step looks at a bounded number of rows and answers all that match. What
   * other topics hold costs nothing.
   */
  outline(query: OutlineQuery): Promise<LogOutline>
  /** Looks at the messages after a position, at most `limit`, and answers those that are damaged; they are taken out only with `repair`. */
  check(query: { after: Seq; limit: number; repair: boolean }): Promise<LogCheck>
  /** Messages, but no direct ones, that were found damaged and are not known again, by the number that they had, at most `limit`. */
  missing(query: { after: Seq; limit: number }): Promise<Missing[]>
  /** The message with this public id, or undefined. */
  get(id: string): Promise<StoredMessage | undefined>
  /** Those of the ids that are there, in the order of their numbers, at most about `maxBytes` of data (but at least one). */
  find(ids: string[], maxBytes: number): Promise<StoredMessage[]>
  /** Those of the ids that were neither stored, be it pruned since, nor refused. */
  unknown(ids: string[]): Promise<string[]>
  /** Notes, at this time, ids of messages that were not wanted: they are known from now on as those of pruned ones are. */
  refuse(ids: string[], now: number): Promise<void>
  /** The topics, a hundred at most, that hold more than they are to keep. */
  prunable(query: PruneQuery): Promise<string[]>
  /**
   * Removes the oldest messages of a topic, at most `limit`, as far as they are more than the topic is to keep, or whatever there is
   * with `everything`; answers undefined when there was nothing to remove. Their ids stay known, so that none comes back as new.
   */
  prune(query: PruneQuery & { topic: string; limit: number; everything?: boolean }): Promise<Pruned | undefined>
  /**
   * Forgets ids of pruned messages and idempotency keys that are older than the times given, at most `limit` of each; answers how many. Damage is as
   * old as the first sweep that has met it.
   */
  forget(query: { now: number; idsBefore: number; keysBefore: number; limit: number }): Promise<number>
  /**
   * Forgets topics that have no messages and no limits of their own and that nobody has joined, at most `limit`: those whose last message was pruned before
   * `emptyBefore`, and the longest empty of what is more than `maxEmpty`; answers how many. Of all that are forgotten the newest message that was
   * pruned, and the newest step, stay known together. A reader of what is, or was, not remembered is told of pruned messages up to that one: it may
   * be told of more than it missed, never of less.
   */
  forgetTopics(query: ForgetTopicsQuery): Promise<number>
  /** Up to which number the messages of this author were handed to the network; 0 at first. */
  sentThrough(author: string): Promise<Seq>
  /** Notes it. May be lost in a crash when it was noted within the last second: sending again is harmless. Never goes back. */
  markSent(author: string, through: Seq): Promise<void>
}

export interface LogPosition {
  tip: Seq
  earliest: Seq
  prunedThrough: Seq
  pruneCount: number
}

export interface AppendResult {
  previousTip: Seq
  entries: AppendEntry[]
  takenKeys: string[]
}

/** `known` when a message with this id was there before, or its key was taken; `message` is that one, unless it was pruned. */
export type AppendEntry = { message: StoredMessage; known: boolean } | { message: undefined; known: true }

/** Messages of a batch, one behind another, that an idempotency key publishes. */
export interface KeyedMessages {
  key: string
  /** Of what was asked for: the same key with another one is a mistake. */
  fingerprint: Uint8Array
  /** Index in the batch of the first. */
  first: number
  count: number
  /** Milliseconds since 1970; a key that was noted before `since` is taken no more. */
  createdAt: number
  since: number
}

export interface PublishedUnderKey {
  fingerprint: Uint8Array
  items: PublishedItem[]
}

export interface PublishedItem {
  id: string
  topic: string
  seq: Seq
  /** How many peers it was handed to; 0 also when that was lost in a crash. */
  recipients: number
}

export interface PruneQuery {
  /** For topics without limits of their own. */
  defaults: Retention
  /** Age time. */
  now: number
}

export interface Pruned {
  /** Number of the newest message removed, and of the step that removed it. */
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
  /** Stored at or after, by age time. */
  storedSince?: number
  /** A step of pruning; the answer then tells what was pruned after it. */
  prunedSince?: number
}

/** Messages of exact topics after a position, stored at or after a time (age time). */
export interface OutlineQuery {
  after: Seq
  topics: string[]
  since: number
}

export interface LogOutline {
  entries: OutlineEntry[]
  /** Messages of the topics that were looked at, those before `since` among them: what the step has cost. */
  looked: number
  /** Up to which number everything was looked at. */
  scanned: Seq
  /** Whether that is the end of the log. */
  caughtUp: boolean
}

export interface OutlineEntry {
  id: string
  topic: string
  /** Of data. */
  bytes: number
  /** When the first gateway on its way here received it; age time. */
  firstSeenAt: number
}

export interface LogStep {
  messages: StoredMessage[]
  scanned: Seq
  prunes?: Prunes
  damaged?: Damaged[]
}

/** A message that was stored and can't be read any more. What is said of it is what the row said. */
export interface Damaged {
  seq: Seq
  id: string
  /** Undefined where no topic has the name that the row says: it may have been of any. */
  topic: string | undefined
}

export interface LogCheck {
  damaged: Damaged[]
  /** Messages that were looked at, up to which number, and whether that is the end of the log. */
  looked: number
  scanned: Seq
  caughtUp: boolean
}

/** A message to be fetched from peers. */
export interface Missing {
  /** The number that it had. */
  seq: Seq
  id: string
  /** Undefined where it may have been of any. */
  topic: string | undefined
  /** When the first gateway on its way here received it; milliseconds since 1970. */
  firstSeenAt: number
}

/** What was pruned of a range: `count` is the number of the newest step of pruning. Of forgotten topics it is not known which they were. */
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
