import { createShares, type Shares } from './shares.ts'

/**
 * A counting semaphore with a bounded queue, in which holders take turns: the next place goes to the waiting holder that
 * began longest ago, and its waiters begin in FIFO order. With `shares`, holders share both the places and the queue: a
 * holder that has its share of the places waits until it has fewer, and others go first.
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
  /** When each holder that has places or waits began last. */
  const turns = new Map<string, number>()
  let turn = 0

  /** Starts waiters that can start. */
  function beginNext(): void {
    while (places.total < max) {
      const next = nextOf(waiting)
      if (next === undefined) break
      const taken = take(next.holder)
      if (taken === undefined) break
      next.begin(taken)
    }
  }

  function forget(holder: string): void {
    if (places.held(holder) === 0 && queue.held(holder) === 0) turns.delete(holder)
  }

  /** The first waiter of the holder that has room and began longest ago. */
  function nextOf(all: Iterable<Waiting>): Waiting | undefined {
    const seen = new Set<string>()
    let next: Waiting | undefined
    for (const each of all) {
      if (seen.has(each.holder)) continue
      seen.add(each.holder)
      if (places.refusal(each.holder) !== undefined) continue
      if (next === undefined || (turns.get(each.holder) ?? 0) < (turns.get(next.holder) ?? 0)) next = each
    }
    return next
  }

  function take(holder: string): Disposable | undefined {
    const place = places.take(holder)
    if (place === undefined) return undefined
    turns.set(holder, ++turn)
    let isHeld = true
    return {
      [Symbol.dispose]() {
        if (!isHeld) return
        isHeld = false
        place[Symbol.dispose]()
        beginNext()
        forget(holder)
      },
    }
  }

  return {
    async take(signal, holder = '') {
      signal.throwIfAborted()
      const taken = take(holder)
      if (taken !== undefined) return taken
      const { promise, resolve, reject } = Promise.withResolvers<Disposable>()
      using leaving = new DisposableStack()
      leaving.defer(() => forget(holder))
      if (leaving.use(queue.take(holder)) === undefined) return undefined
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
