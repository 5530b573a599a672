import type { Context } from '@opentelemetry/api'
import type { OwnMessage } from '../engine/engine.ts'
import type { NewMessage } from '../model/message.ts'
import type { AppendEntry, KeyedMessages, PublishedItem } from '../store/log-store.ts'
import type { BatchQueueItem } from './batch-queue.ts'

/** What waits to be appended, several messages at a time that are stored as a whole; a batch is several of these. */
export type Item = OwnItem | ForeignItem

export interface OwnItem extends BatchQueueItem {
  kind: 'own'
  own: OwnMessage[]
  key: { key: string; fingerprint: Uint8Array } | undefined
  times: Times
  /** Where it was asked for, when that is traced. */
  trace: Context | undefined
  /** By the monotonic clock. */
  enqueuedAt: number
  done: PromiseWithResolvers<PublishedItem[]>
}

/** When a message came, in wall time and in age time. */
export type Times = Required<Pick<NewMessage, 'receivedAt' | 'storedAt'>>

/** `past`: the network has had it before. */
export interface ForeignItem extends BatchQueueItem {
  kind: 'foreign' | 'past'
  list: NewMessage[]
  /** Of each its entry; nothing when they could not be stored. */
  done: PromiseWithResolvers<AppendEntry[] | undefined>
}

export function foreignItem(kind: ForeignItem['kind'], holder: string, list: NewMessage[]): ForeignItem {
  return { kind, list, done: Promise.withResolvers(), holder, isForeign: true, messages: list.length, bytes: sizeOf(list) }
}

/** Who holds the room that a message of the network takes: its author, whoever brought it. */
export function authorKey({ from }: { from: string }): string {
  return `author ${from}`
}

/** And that of all that is fetched from peers: it waits for them. */
export const historyKey = 'history'

/** The items of a batch, each with the index of its first message. */
export function placed(batch: Item[]): Array<{ item: Item; first: number }> {
  let first = 0
  return batch.map((item) => {
    const place = { item, first }
    first += item.messages
    return place
  })
}

export function sizeOf(messages: Array<{ data: Uint8Array }>): number {
  return messages.reduce((sum, { data }) => sum + data.length, 0)
}

/** @param since keys that were noted before may publish again */
export function keysOf(batch: Item[], since: number): KeyedMessages[] {
  return placed(batch).flatMap(({ item, first }) =>
    item.kind === 'own' && item.key !== undefined
      ? { ...item.key, first, count: item.messages, createdAt: item.times.storedAt, since }
      : [],
  )
}
