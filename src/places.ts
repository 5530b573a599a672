/** So many at a time may be at work; others wait, a bounded number of them, in the order in which they came. */
export interface Places {
  /** Resolves with a place, which is given back by disposing of it. Undefined when too many wait already. @throws the signal's reason */
  take(signal: AbortSignal): Promise<Disposable | undefined>
  /** How many are at work or wait. */
  readonly size: number
}

export function createPlaces(init: { max: number; maxWaiting: number }): Places {
  let free = init.max
  const waiting = new Set<() => void>()

  function release(): void {
    const [next] = waiting
    if (next === undefined) free++
    else next()
  }

  /** Gives back once, however often it is disposed of. */
  function place(): Disposable {
    let isHeld = true
    return {
      [Symbol.dispose]() {
        if (isHeld) release()
        isHeld = false
      },
    }
  }

  return {
    async take(signal) {
      signal.throwIfAborted()
      if (free > 0) {
        free--
        return place()
      }
      if (waiting.size >= init.maxWaiting) return undefined
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const next = () => {
        waiting.delete(next)
        resolve()
      }
      const giveUp = () => {
        // Who has a place by now gives it back itself.
        if (waiting.delete(next)) reject(signal.reason)
      }
      waiting.add(next)
      signal.addEventListener('abort', giveUp)
      try {
        await promise
      } finally {
        signal.removeEventListener('abort', giveUp)
      }
      return place()
    },
    get size() {
      return init.max - free + waiting.size
    },
  }
}
