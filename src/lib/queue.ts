/** A FIFO queue. */
export interface Queue<Item> {
  push(item: Item): void
  shift(): Item | undefined
  readonly size: number
}

export function createQueue<Item>(): Queue<Item> {
  let items: Item[] = []
  let next = 0
  return {
    push: (item) => void items.push(item),
    shift() {
      const item = items[next++]
      // Taken items would stay in memory while the queue is never empty.
      if (next >= items.length / 2) {
        items = items.slice(next)
        next = 0
      }
      return item
    },
    get size() {
      return items.length - next
    },
  }
}
