import { createTokenBucket } from './token-bucket.ts'

/**
 * A rate limit shared fairly by all holders, in units per second. While units are left, any holder may use them. When
 * none are left, only holders that have used less than their part may, which is the rate divided by the number of
 * current holders. Greedy holders thus do not shut out a modest one, and the overall rate holds in the long run.
 */
export interface FairRate {
  /** Whether the holder has to wait. */
  isOver(holder: string, now: number): boolean
  /** Counts units, before the work that they pay for. A negative number gives units back. */
  spend(holder: string, now: number, units: number): void
}

/** @param init `burst` is the number of units that are left at first, by default those of a second */
export function createFairRate(init: { perSecond: number; burst?: number }): FairRate {
  const { perSecond, burst = perSecond } = init
  const all = createTokenBucket({ perSecond, burst })
  /** Units that holders have used and not yet recovered at their part of the rate. Holders without debt are removed. */
  const debts = new Map<string, number>()
  let settledAt: number | undefined

  function settle(now: number): void {
    const part = (perSecond / Math.max(1, debts.size)) * ((now - (settledAt ?? now)) / 1_000)
    settledAt = now
    for (const [holder, debt] of debts) {
      if (debt > part) debts.set(holder, debt - part)
      else debts.delete(holder)
    }
  }

  return {
    isOver(holder, now) {
      settle(now)
      return all.left(now) <= 0 && debts.has(holder)
    },
    spend(holder, now, units) {
      settle(now)
      all.spend(now, units)
      const debt = (debts.get(holder) ?? 0) + units
      if (debt > 0) debts.set(holder, debt)
      else debts.delete(holder)
    },
  }
}
