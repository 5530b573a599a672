import { setTimeout as delay } from 'node:timers/promises'

/**
 * A token bucket: `burst` tokens at once, refilled at `perSecond`. `now` is in milliseconds of any clock that does not
 * go back.
 */
export interface TokenBucket {
  /** Takes `count` tokens (default: one), or none when there are fewer. */
  take(now: number, count?: number): boolean
  /**
   * Takes `count` tokens, even more than there are: the rest is owed. A negative count gives tokens back, up to the
   * burst.
   */
  spend(now: number, count: number): void
  /** Tokens left; negative while some are owed. */
  left(now: number): number
  /** Milliseconds until no token is owed. */
  owedMs(now: number): number
}

export function createTokenBucket(init: { perSecond: number; burst: number }): TokenBucket {
  let tokens = init.burst
  let filledAt: number | undefined

  function fill(now: number): void {
    tokens = Math.min(init.burst, tokens + ((now - (filledAt ?? now)) / 1_000) * init.perSecond)
    filledAt = now
  }

  return {
    take(now, count = 1) {
      fill(now)
      if (tokens < count) return false
      tokens -= count
      return true
    },
    spend(now, count) {
      fill(now)
      tokens = Math.min(init.burst, tokens - count)
    },
    left(now) {
      fill(now)
      return tokens
    },
    owedMs(now) {
      fill(now)
      return Math.max(0, (-tokens / init.perSecond) * 1_000)
    },
  }
}

/**
 * Takes `count` tokens on credit, after those that earlier callers owe are there. With a burst of 0 work proceeds at a
 * constant rate. @throws the signal's reason
 */
export async function pace(bucket: TokenBucket, count: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  const now = performance.now()
  const waitMs = bucket.owedMs(now)
  bucket.spend(now, count)
  if (waitMs > 0) await delay(waitMs, undefined, { signal })
}
