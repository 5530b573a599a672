import type { Seq } from '../model/cursor.ts'
import type { StoredMessage } from '../model/message.ts'

export interface AppendResult {
  epoch: string
  previousTip: Seq
  entries: AppendEntry[]
  takenKeys: string[]
}

/**
 * `known` when a message with this id was already stored, or its key was taken; `message` is the stored one, unless it
 * was pruned.
 */
export type AppendEntry = { message: StoredMessage; known: boolean } | { message: undefined; known: true }

/** Consecutive messages of a batch that an idempotency key publishes. */
export interface KeyedMessages {
  key: string
  /** Fingerprint of the request: reusing the key for another request is an error. */
  fingerprint: Uint8Array
  /** Index of the first message in the batch. */
  first: number
  count: number
  /** Milliseconds since 1970. A key that was noted before `since` may be used again. */
  createdAt: number
  since: number
}

export interface PublishedUnderKey {
  /** Epoch of the log that stores the items, read together with them. */
  epoch: string
  fingerprint: Uint8Array
  items: PublishedItem[]
}

export interface PublishedItem {
  id: string
  topic: string
  seq: Seq
  /** Number of peers that it was handed to; 0 also when the note was lost in a crash. */
  recipients: number
}
