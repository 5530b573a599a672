import { createClientShares } from '../access/client-shares.ts'
import type { Shares } from '../lib/shares.ts'

/**
 * A queue bounded by messages and bytes, which those who fill it share, whose reader takes whatever is there, up to a number of messages, at
 * once. What comes from the network leaves a quarter to the clients of this gateway.
 */
export interface BatchQueue<Item extends BatchQueueItem> {
  /** Messages that wait. */
  readonly size: number
  readonly bytes: number
  /** Whether the messages fit. What is pushed without asking is taken all the same. */
  fits(item: BatchQueueItem): boolean
  push(item: Item): void
  /**
   * Pushes what comes from the network as soon as it fits; holders have their turns, and what waits of one keeps its order. False when it
   * does not fit within `validateTimeoutMs`, or the inbox is closed.
   */
  pushWhenFits(item: Item): Promise<boolean>
  /**
   * Undefined while there is room for more of the network, and of this holder: nothing waits to fit, and what is there does not wait for long. Else
   * resolves when that may have changed.
   */
  room(holder: string): Promise<void> | undefined
  /** The oldest items, at most `limit` messages but at least one item; waits while there are none. Undefined once closed and empty. */
  take(limit: number): Promise<Item[] | undefined>
  /** Lets the reader finish what is there. */
  close(): void
}

/** Messages that are never parted. */
export interface BatchQueueItem {
  /** Whose they are: a client's (`clientKey`), or a part of the network's. */
  readonly holder: string
  /** They come from the network. */
  readonly isForeign: boolean
  readonly messages: number
  readonly bytes: number
}

export interface BatchQueueLimits {
  maxInboxMessages: number
  maxInboxBytes: number
  clientSharePercent: number
  validateTimeoutMs: number
  maxTopicInboxBytes: number
}

interface Waiting<Item> {
  item: Item
  /** By the monotonic clock. */
  until: number
  settle(isIn: boolean): void
}

/** Milliseconds in the inbox beyond which there is no room for more of the network: what is read faster would only wait longer. */
const promptMs = 1_000
/**
 * The part of `maxTopicInboxBytes` beyond which there is none either, so that what is being verified, and is of one topic, finds room at the
 * gate, where each message costs up to twice its bytes.
 */
const roomPart = 1 / 4

/** The part of the inbox that messages of the network may fill together. */
const foreignPart = 3 / 4

export function createBatchQueue<Item extends BatchQueueItem>(limits: BatchQueueLimits): BatchQueue<Item> {
  const { maxInboxMessages, maxInboxBytes } = limits
  const messages = createClientShares({ max: maxInboxMessages, limits })
  const bytes = createClientShares({ max: maxInboxBytes, limits })
  /** What the network has of the two. */
  const foreign = { messages: 0, bytes: 0 }
  let items: Array<{ item: Item; places: Disposable[]; at: number }> = []
  /** By holder. */
  const waiting = new Map<string, Set<Waiting<Item>>>()
  /** How long the last of the network was here, in milliseconds. */
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

  /** For whatever comes from the network. */
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

  /** Lets in what waits to fit, one of each holder in turn. */
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

  /** Gives up what has waited too long, or everything. */
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
      if (items.length === 0 && !closed)
        await new Promise<void>((resolve) => {
          wake = resolve
        })
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

/** What comes together may be more than a share, when nothing of its holder is there. */
function hasRoom(shares: Shares, holder: string, units: number): boolean {
  const refusal = shares.refusal(holder, units)
  return refusal === undefined || (refusal === 'share' && shares.held(holder) === 0)
}
