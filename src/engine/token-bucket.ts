/** So many at once, and so many a second after that. */
export interface TokenBucket {
  take(now: number): boolean
}

export function createTokenBucket(init: { perSecond: number; burst: number }): TokenBucket {
  let tokens = init.burst
  let filledAt: number | undefined

  return {
    take(now) {
      tokens = Math.min(init.burst, tokens + ((now - (filledAt ?? now)) / 1_000) * init.perSecond)
      filledAt = now
      if (tokens < 1) return false
      tokens--
      return true
    },
  }
}
