/** So many at once, and so many a second after that. */
export interface TokenBucket {
  /** Takes so many, one by default, or none when there are not so many; `now` in milliseconds of any clock that does not go back. */
  take(now: number, count?: number): boolean
  /** How many there are. */
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
    left(now) {
      fill(now)
      return tokens
    },
  }
}
