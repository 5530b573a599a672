import { createShares, type Shares } from './shares.ts'

/**
 * A counting semaphore with a bounded FIFO queue. With `shares`, holders share both the places and the queue: a holder
 * that has its share of the places waits until it has fewer, and those behind it go first.
 */
export interface Semaphore {
  /**
   * Resolves with a place; dispose of it to give it back. Undefined when the queue is full. @throws the signal's reason
   */
  take(signal: AbortSignal, holder?: string): Promise<Disposable | undefined>
  /** Number of places that the holder would get at once. */
  room(holder: string): number
  /** Number of places held, plus the length of the queue. */
  readonly size: number
}

export interface SemaphoreInit {
  max: number
  maxWaiting: number
  /** How holders share a number of places. Default: each may have all of them. */
  shares?: (max: number) => Shares
}

interface Waiting {
  holder: string
  begin(place: Disposable): void
}

export function createSemaphore({ max, maxWaiting, shares = allOf }: SemaphoreInit): Semaphore {
  const places = shares(max)
  const queue = shares(maxWaiting)
  const waiting = new Set<Waiting>()

  /** Starts waiters that can start, in order. */
  function beginNext(): void {
    for (const each of waiting) {
      if (places.total >= max) return
      const taken = take(each.holder)
      if (taken !== undefined) each.begin(taken)
    }
  }

  function take(holder: string): Disposable | undefined {
    const place = places.take(holder)
    if (place === undefined) return undefined
    let isHeld = true
    return {
      [Symbol.dispose]() {
        if (!isHeld) return
        isHeld = false
        place[Symbol.dispose]()
        beginNext()
      },
    }
  }

  return {
    async take(signal, holder = '') {
      signal.throwIfAborted()
      const taken = take(holder)
      if (taken !== undefined) return taken
      const { promise, resolve, reject } = Promise.withResolvers<Disposable>()
      using queued = queue.take(holder)
      if (queued === undefined) return undefined
      const next: Waiting = {
        holder,
        begin(place) {
          waiting.delete(next)
          resolve(place)
        },
      }
      const giveUp = () => {
        // A waiter that already has a place gives it back itself.
        if (waiting.delete(next)) reject(signal.reason)
      }
      waiting.add(next)
      signal.addEventListener('abort', giveUp)
      try {
        return await promise
      } finally {
        signal.removeEventListener('abort', giveUp)
      }
    },
    room(holder) {
      let units = 0
      while (places.refusal(holder, units + 1) === undefined) units++
      return units
    },
    get size() {
      return places.total + waiting.size
    },
  }
}

function allOf(max: number): Shares {
  return createShares({ max, share: 1 })
}
