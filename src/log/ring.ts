import type { Limits } from '../limits.ts'
import type { Seq } from '../model/cursor.ts'
import type { StoredMessage } from '../model/message.ts'

/** An item of the ring: anything with a message. */
export interface RingItem {
  readonly message: StoredMessage
}

export type RingLimits = Pick<Limits, 'maxRingMessages' | 'maxRingBytes'>

/**
 * The newest messages, in memory, bounded by count and by bytes of data. It holds every message of the log with `floor
 * < seq <= tip`; messages at or below the floor have to be read from the store.
 */
export interface Ring<Item extends RingItem> {
  readonly floor: Seq
  readonly tip: Seq
  readonly size: number
  readonly bytes: number
  /** Adds an item. Seqs must rise and be above the tip. */
  push(item: Item): void
  /** Empties the ring; it starts again at this position. */
  reset(tip: Seq): void
  /**
   * The items after a position, oldest first. The position must not be below the floor, and the iteration must not
   * pause.
   */
  after(position: Seq): Iterable<Item>
}

export function createRing<Item extends RingItem>(limits: RingLimits, start: Seq): Ring<Item> {
  // The queue is an array with a moving head. The dead part is cut off when it is half of the array.
  let items: Array<Item | undefined> = []
  let head = 0
  let bytes = 0
  let floor = start
  let tip = start

  function evict(): void {
    while (items.length - head > limits.maxRingMessages || (bytes > limits.maxRingBytes && items.length - head > 1)) {
      const oldest = items[head]
      if (oldest === undefined) return
      bytes -= oldest.message.data.length
      floor = oldest.message.seq
      items[head++] = undefined
    }
    if (head > 1024 && head * 2 > items.length) {
      items = items.slice(head)
      head = 0
    }
  }

  /** Index of the first item above the position, by binary search. */
  function indexAfter(position: Seq): number {
    let low = head
    let high = items.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const item = items[middle]
      if (item !== undefined && item.message.seq <= position) low = middle + 1
      else high = middle
    }
    return low
  }

  return {
    get floor() {
      return floor
    },
    get tip() {
      return tip
    },
    get size() {
      return items.length - head
    },
    get bytes() {
      return bytes
    },
    push(item) {
      items.push(item)
      bytes += item.message.data.length
      tip = item.message.seq
      evict()
    },
    reset(position) {
      items = []
      head = 0
      bytes = 0
      floor = position
      tip = position
    },
    *after(position) {
      for (let index = indexAfter(position); index < items.length; index++) {
        const item = items[index]
        if (item !== undefined) yield item
      }
    },
  }
}
