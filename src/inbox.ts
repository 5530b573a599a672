/** A queue bounded by count and bytes, whose reader takes whatever is there, up to a number, at once. */
export interface Inbox<Item> {
  readonly size: number
  /** Whether an item of so many bytes fits. What is pushed without asking is taken all the same. */
  fits(bytes: number): boolean
  push(item: Item, bytes: number): void
  /** The oldest items, at most `limit`; waits while there are none. Undefined once closed and empty. */
  take(limit: number): Promise<Item[] | undefined>
  /** Lets the reader finish what is there. */
  close(): void
}

export function createInbox<Item>(limits: { maxInboxMessages: number; maxInboxBytes: number }): Inbox<Item> {
  let items: Array<{ item: Item; bytes: number }> = []
  let bytes = 0
  let closed = false
  let wake: (() => void) | undefined

  return {
    get size() {
      return items.length
    },
    fits(itemBytes) {
      return !closed && items.length < limits.maxInboxMessages && bytes + itemBytes <= limits.maxInboxBytes
    },
    push(item, itemBytes) {
      items.push({ item, bytes: itemBytes })
      bytes += itemBytes
      wake?.()
    },
    async take(limit) {
      if (items.length === 0 && !closed)
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      wake = undefined
      if (items.length === 0) return undefined
      const taken = items.slice(0, limit)
      items = items.slice(limit)
      for (const one of taken) bytes -= one.bytes
      return taken.map(({ item }) => item)
    },
    close() {
      closed = true
      wake?.()
    },
  }
}
