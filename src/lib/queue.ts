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
      if (next < items.length) return item
      items = []
      next = 0
      return item
    },
    get size() {
      return items.length - next
    },
  }
}
