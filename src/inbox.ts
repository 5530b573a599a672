/** A queue bounded by messages and bytes, whose reader takes whatever is there, up to a number of messages, at once. */
export interface Inbox<Item extends InboxItem> {
  /** Messages that wait. */
  readonly size: number
  readonly bytes: number
  /** Whether so many messages, of so many bytes together, fit. What is pushed without asking is taken all the same. */
  fits(messages: number, bytes: number): boolean
  push(item: Item): void
  /** The oldest items, at most `limit` messages but at least one item; waits while there are none. Undefined once closed and empty. */
  take(limit: number): Promise<Item[] | undefined>
  /** Lets the reader finish what is there. */
  close(): void
}

/** Messages that are never parted. */
export interface InboxItem {
  readonly messages: number
  readonly bytes: number
}

export function createInbox<Item extends InboxItem>(limits: { maxInboxMessages: number; maxInboxBytes: number }): Inbox<Item> {
  let items: Item[] = []
  let messages = 0
  let bytes = 0
  let closed = false
  let wake: (() => void) | undefined

  return {
    get size() {
      return messages
    },
    get bytes() {
      return bytes
    },
    fits(moreMessages, moreBytes) {
      return !closed && messages + moreMessages <= limits.maxInboxMessages && bytes + moreBytes <= limits.maxInboxBytes
    },
    push(item) {
      items.push(item)
      messages += item.messages
      bytes += item.bytes
      wake?.()
    },
    async take(limit) {
      if (items.length === 0 && !closed)
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      wake = undefined
      if (items.length === 0) return undefined
      let count = 0
      let taken = 0
      for (const item of items) {
        if (count > 0 && taken + item.messages > limit) break
        count++
        taken += item.messages
        bytes -= item.bytes
      }
      messages -= taken
      const batch = items.slice(0, count)
      items = items.slice(count)
      return batch
    },
    close() {
      closed = true
      wake?.()
    },
  }
}
