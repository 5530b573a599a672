import { setImmediate as nextTurn } from 'node:timers/promises'
import { createClientShares } from '../access/client-shares.ts'
import type { Shares } from '../lib/shares.ts'
import type { Limits } from '../limits.ts'

/**
 * A queue bounded by messages and bytes, which its holders share. The reader takes everything that waits, up to a
 * number of messages, at once. Messages from the network leave a quarter to the clients of this gateway.
 */
export interface BatchQueue<Item extends BatchQueueItem> {
  /** Messages in the queue. */
  readonly size: number
  readonly bytes: number
  /** Whether the messages fit. `push` does not check this. */
  fits(item: BatchQueueItem): boolean
  push(item: Item): void
  /**
   * Pushes an item from the network as soon as it fits. Holders take turns; the items of one holder keep their order.
   * False when the item does not fit within `validateTimeoutMs`, or the queue is closed.
   */
  pushWhenFits(item: Item): Promise<boolean>
  /**
   * Undefined while there is room for more from the network and from this holder: nothing waits to fit, and queued
   * messages are taken promptly. Otherwise a promise that resolves when this may have changed.
   */
  room(holder: string): Promise<void> | undefined
  /**
   * The oldest items: at most `limit` messages, but at least one item. Waits while the queue is empty. Undefined once
   * it is closed and empty.
   */
  take(limit: number): Promise<Item[] | undefined>
  /** Accepts no more items; the reader drains the rest. */
  close(): void
}

/** Messages that are never split across batches. */
export interface BatchQueueItem {
  /** The holder of the room: a client (`clientKey`), or a part of the network (`authorKey`, `historyKey`). */
  readonly holder: string
  /** True for messages from the network. */
  readonly isForeign: boolean
  readonly messages: number
  readonly bytes: number
}

export type BatchQueueLimits = Pick<
  Limits,
  'maxInboxMessages' | 'maxInboxBytes' | 'clientSharePercent' | 'validateTimeoutMs' | 'maxTopicInboxBytes'
>

interface Waiting<Item> {
  item: Item
  /** Deadline, in milliseconds of the monotonic clock. */
  until: number
  settle(isIn: boolean): void
}

/**
 * Milliseconds in the inbox beyond which no more is read from the network: reading faster would only make it wait
 * longer.
 */
const promptMs = 1_000
/**
 * The part of `maxTopicInboxBytes` beyond which there is no room either, so that messages of one topic in verification
 * find room at the gate, where each message costs up to twice its bytes.
 */
const roomPart = 1 / 4

/** The part of the inbox that messages from the network may fill together. */
const foreignPart = 3 / 4

export function createBatchQueue<Item extends BatchQueueItem>(limits: BatchQueueLimits): BatchQueue<Item> {
  const { maxInboxMessages, maxInboxBytes } = limits
  const messages = createClientShares({ max: maxInboxMessages, limits })
  const bytes = createClientShares({ max: maxInboxBytes, limits })
  /** Messages and bytes in the queue that came from the network. */
  const foreign = { messages: 0, bytes: 0 }
  let items: Array<{ item: Item; places: Disposable[]; at: number }> = []
  /** By holder. */
  const waiting = new Map<string, Set<Waiting<Item>>>()
  /** How long the newest taken item from the network was queued, in milliseconds. */
  let foreignMs = 0
  let changed: PromiseWithResolvers<void> | undefined
  let expiry: NodeJS.Timeout | undefined
  let closed = false
  let wake: (() => void) | undefined

  function count({ isForeign, ...item }: BatchQueueItem, sign: 1 | -1): void {
    if (!isForeign) return
    foreign.messages += sign * item.messages
    foreign.bytes += sign * item.bytes
  }

  function fits(item: BatchQueueItem): boolean {
    if (closed || !hasRoom(messages, item.holder, item.messages) || !hasRoom(bytes, item.holder, item.bytes)) return false
    if (!item.isForeign || foreign.messages === 0) return true
    const { messages: count, bytes: size } = foreign
    return count + item.messages <= maxInboxMessages * foreignPart && size + item.bytes <= maxInboxBytes * foreignPart
  }

  /** Whether the queue is full for items from the network. */
  function isFull(): boolean {
    if (messages.total >= maxInboxMessages || bytes.total >= maxInboxBytes) return true
    return foreign.messages >= maxInboxMessages * foreignPart || foreign.bytes >= maxInboxBytes * foreignPart
  }

  function push(item: Item): void {
    const places = [messages.hold(item.holder, item.messages), bytes.hold(item.holder, item.bytes)]
    items.push({ item, places, at: performance.now() })
    count(item, 1)
    wake?.()
  }

  function settle(waiter: Waiting<Item>, isIn: boolean): void {
    const { holder } = waiter.item
    const queue = waiting.get(holder)
    queue?.delete(waiter)
    if (queue?.size === 0) waiting.delete(holder)
    if (isIn) push(waiter.item)
    waiter.settle(isIn)
  }

  /** Pushes the waiting items that fit now, one of each holder in turn. */
  function letIn(): void {
    for (let isMore = waiting.size > 0; isMore; ) {
      isMore = false
      for (const [first] of waiting.values()) {
        if (first === undefined || !fits(first.item)) continue
        settle(first, true)
        isMore = true
      }
    }
  }

  /** Settles the waiting items whose deadline has passed. */
  function giveUp(now: number): void {
    for (const queue of waiting.values()) {
      for (const waiter of queue) if (waiter.until <= now) settle(waiter, false)
    }
    clearTimeout(expiry)
    expiry = waiting.size === 0 ? undefined : setTimeout(() => giveUp(performance.now()), Math.max(10, oldest() - now))
  }

  function oldest(): number {
    return Math.min(...Array.from(waiting.values(), ([first]) => first?.until ?? Number.POSITIVE_INFINITY))
  }

  function tellOfRoom(): void {
    changed?.resolve()
    changed = undefined
  }

  return {
    get size() {
      return messages.total
    },
    get bytes() {
      return bytes.total
    },
    fits,
    push,
    pushWhenFits(item) {
      if (!waiting.has(item.holder) && fits(item)) {
        push(item)
        return Promise.resolve(true)
      }
      if (closed) return Promise.resolve(false)
      const { promise, resolve } = Promise.withResolvers<boolean>()
      const queue = waiting.get(item.holder) ?? new Set()
      waiting.set(item.holder, queue.add({ item, until: performance.now() + limits.validateTimeoutMs, settle: resolve }))
      if (expiry === undefined) giveUp(performance.now())
      return promise
    },
    room(holder) {
      const isPrompt = foreign.messages === 0 || (foreignMs <= promptMs && foreign.bytes <= limits.maxTopicInboxBytes * roomPart)
      if (isPrompt && !waiting.has(holder) && !isFull()) return undefined
      changed ??= Promise.withResolvers<void>()
      return changed.promise
    },
    async take(limit) {
      if (items.length === 0 && !closed) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
        // What is pushed in the same turn of the event loop is taken together.
        await nextTurn()
      }
      wake = undefined
      if (items.length === 0) return undefined
      let taken = 0
      let sum = 0
      for (const { item } of items) {
        if (taken > 0 && sum + item.messages > limit) break
        taken++
        sum += item.messages
      }
      const batch = items.slice(0, taken)
      items = items.slice(taken)
      const now = performance.now()
      for (const { item, places, at } of batch) {
        for (const place of places) place[Symbol.dispose]()
        count(item, -1)
        if (item.isForeign) foreignMs = now - at
      }
      letIn()
      tellOfRoom()
      return batch.map(({ item }) => item)
    },
    close() {
      closed = true
      giveUp(Number.POSITIVE_INFINITY)
      tellOfRoom()
      wake?.()
    },
  }
}

/** An item larger than a share fits when its holder holds nothing else. */
function hasRoom(shares: Shares, holder: string, units: number): boolean {
  const refusal = shares.refusal(holder, units)
  return refusal === undefined || (refusal === 'share' && shares.held(holder) === 0)
}
