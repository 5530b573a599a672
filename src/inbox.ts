import { createClientShares } from './client-shares.ts'
import type { Shares } from './lib/shares.ts'

/**
 * A queue bounded by messages and bytes, which those who fill it share, whose reader takes whatever is there, up to a number of messages, at
 * once. What comes from the network leaves a quarter to the clients of this gateway.
 */
export interface Inbox<Item extends InboxItem> {
  /** Messages that wait. */
  readonly size: number
  readonly bytes: number
  /** Whether the messages fit. What is pushed without asking is taken all the same. */
  fits(item: InboxItem): boolean
  push(item: Item): void
  /** The oldest items, at most `limit` messages but at least one item; waits while there are none. Undefined once closed and empty. */
  take(limit: number): Promise<Item[] | undefined>
  /** Lets the reader finish what is there. */
  close(): void
}

/** Messages that are never parted. */
export interface InboxItem {
  /** Whose they are: a client's (`clientKey`), or a part of the network's. */
  readonly holder: string
  /** They come from the network. */
  readonly isForeign: boolean
  readonly messages: number
  readonly bytes: number
}

export interface InboxLimits {
  maxInboxMessages: number
  maxInboxBytes: number
  clientSharePercent: number
}

/** The part of the inbox that messages of the network may fill together. */
const foreignPart = 3 / 4

export function createInbox<Item extends InboxItem>(limits: InboxLimits): Inbox<Item> {
  const { maxInboxMessages, maxInboxBytes } = limits
  const messages = createClientShares({ max: maxInboxMessages, limits })
  const bytes = createClientShares({ max: maxInboxBytes, limits })
  /** What the network has of the two. */
  const foreign = { messages: 0, bytes: 0 }
  let items: Array<{ item: Item; places: Disposable[] }> = []
  let closed = false
  let wake: (() => void) | undefined

  function count({ isForeign, ...item }: InboxItem, sign: 1 | -1): void {
    if (!isForeign) return
    foreign.messages += sign * item.messages
    foreign.bytes += sign * item.bytes
  }

  return {
    get size() {
      return messages.total
    },
    get bytes() {
      return bytes.total
    },
    fits(item) {
      if (closed || !hasRoom(messages, item.holder, item.messages) || !hasRoom(bytes, item.holder, item.bytes)) return false
      if (!item.isForeign || foreign.messages === 0) return true
      const { messages: count, bytes: size } = foreign
      return count + item.messages <= maxInboxMessages * foreignPart && size + item.bytes <= maxInboxBytes * foreignPart
    },
    push(item) {
      items.push({ item, places: [messages.hold(item.holder, item.messages), bytes.hold(item.holder, item.bytes)] })
      count(item, 1)
      wake?.()
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
      for (const { item, places } of batch) {
        for (const place of places) place[Symbol.dispose]()
        count(item, -1)
      }
      return batch.map(({ item }) => item)
    },
    close() {
      closed = true
      wake?.()
    },
  }
}

/** What comes together may be more than a share, when nothing of its holder is there. */
function hasRoom(shares: Shares, holder: string, units: number): boolean {
  const refusal = shares.refusal(holder, units)
  return refusal === undefined || (refusal === 'share' && shares.held(holder) === 0)
}
