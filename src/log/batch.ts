import type { Context } from '@opentelemetry/api'
import type { OwnMessage } from '../engine/engine.ts'
import type { Seq } from '../model/cursor.ts'
import type { NewMessage } from '../model/message.ts'
import type { Published } from '../model/published.ts'
import type { AppendEntry, KeyedMessages } from '../store/log-append.ts'
import type { BatchQueueItem } from './batch-queue.ts'

/** An item of the inbox: one or more messages that are stored together or not at all. A batch is several items. */
export type Item = OwnItem | ForeignItem

export interface OwnItem extends BatchQueueItem {
  kind: 'own'
  own: OwnMessage[]
  key: { key: string; fingerprint: Uint8Array } | undefined
  /** See `PublishedBy`. */
  stored: ((first: Seq, last: Seq) => void) | undefined
  times: Times
  /** Trace context of the request, when it is traced. */
  trace: Context | undefined
  /** In milliseconds of the monotonic clock. */
  enqueuedAt: number
  done: PromiseWithResolvers<Published[]>
}

/** When a message arrived, in wall time and in age time. */
export type Times = Required<Pick<NewMessage, 'receivedAt' | 'storedAt'>>

/** `past`: the network has already carried these messages. */
export interface ForeignItem extends BatchQueueItem {
  kind: 'foreign' | 'past'
  list: NewMessage[]
  /** One entry per message; undefined when they could not be stored. */
  done: PromiseWithResolvers<AppendEntry[] | undefined>
}

export function foreignItem(kind: ForeignItem['kind'], holder: string, list: NewMessage[]): ForeignItem {
  return { kind, list, done: Promise.withResolvers(), holder, isForeign: true, messages: list.length, bytes: sizeOf(list) }
}

/** The holder of the room that a network message takes: its author, whichever peer delivered it. */
export function authorKey({ from }: { from: string }): string {
  return `author ${from}`
}

/** The holder of everything that is fetched from peers. */
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

/** @param since keys that were noted before this time may publish again */
export function keysOf(batch: Item[], since: number): KeyedMessages[] {
  return placed(batch).flatMap(({ item, first }) =>
    item.kind === 'own' && item.key !== undefined
      ? { ...item.key, first, count: item.messages, createdAt: item.times.storedAt, since }
      : [],
  )
}
