/** So many at once, and so many a second after that. */
export interface TokenBucket {
  /** Takes so many, one by default, or none when there are not so many; `now` in milliseconds of any clock that does not go back. */
  take(now: number, count?: number): boolean
  /** Takes so many, also more than there are: the rest is owed. Fewer than none are given back, up to the burst. */
  spend(now: number, count: number): void
  /** How many there are; less than none while some are owed. */
  left(now: number): number
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
  }
}
