import { createTokenBucket } from './token-bucket.ts'

/**
 * So many units a second for all holders together, shared out fairly: while there are units left everybody may have them; when there are
 * not, a holder may that has used less than its part, which is the rate divided among those that use it at the moment. Holders that ask
 * without end so do not shut out one that asks little, and the rate of all holds in the long run.
 */
export interface FairRate {
  /** Whether the holder has to wait. */
  isOver(holder: string, now: number): boolean
  /** Counts units, before what they pay for is done; fewer than none gives back. */
  spend(holder: string, now: number, units: number): void
}

export function createFairRate({ perSecond }: { perSecond: number }): FairRate {
  const all = createTokenBucket({ perSecond, burst: perSecond })
  /** What holders have used and not yet made up for at their part of the rate; those that have are forgotten. */
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
