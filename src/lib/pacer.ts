import { setTimeout as delay } from 'node:timers/promises'

/** Lets through so many a second: who comes sooner waits its turn. */
export interface Pacer {
  /** Resolves when so many may go. @throws the signal's reason */
  take(count: number, signal: AbortSignal): Promise<void>
}

export function createPacer(init: { perSecond: number }): Pacer {
  /** By the monotonic clock. */
  let freeAt = 0
  return {
    async take(count, signal) {
      signal.throwIfAborted()
      const now = performance.now()
      const start = Math.max(now, freeAt)
      freeAt = start + (count / init.perSecond) * 1_000
      if (start > now) await delay(start - now, undefined, { signal })
    },
  }
}
