import { setTimeout as delay } from 'node:timers/promises'

/** Spaces work out to a constant rate; callers that come too early wait. */
export interface Pacer {
  /** Resolves when `count` units may pass. @throws the signal's reason */
  take(count: number, signal: AbortSignal): Promise<void>
}

export function createPacer(init: { perSecond: number }): Pacer {
  /** In milliseconds of the monotonic clock. */
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
