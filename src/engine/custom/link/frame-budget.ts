import { createLru } from '../../../lib/lru.ts'
import { createTokenBucket } from '../../../lib/token-bucket.ts'

/**
 * The work that a peer may cause here, in units of frame-prices.ts. A peer that exceeds its budget is slowed: this node
 * stops reading from it until the budget has recovered. A peer that keeps exceeding it is cut.
 */
export interface FrameBudget {
  /**
   * Counts work, before or after it is done; a negative amount is a refund. Returns the time (milliseconds, on the
   * clock of `now`) until which the peer is not read, or `over` when it was slowed for too long.
   */
  charge(now: number, units: number): number | 'over'
}

/**
 * A tenth of a second of work per second, and a burst of ten seconds of that. An honest peer that announces 5,000
 * messages per second, or sends a frame on each of 200 topics ten times per second, stays below a third of it. The
 * burst is four times the greeting of a peer with 10,000 topics in common, with its requests for their trees.
 */
export const workBudget = { perSecond: 100_000, burst: 1_000_000 }
/** Milliseconds for which a peer may be slowed: per second, and in a burst. Occasional slowing is not an offence. */
const slowedMs = { perSecond: 50, burst: 2_000 }
const minPauseMs = 10

export function createFrameBudget(): FrameBudget {
  const work = createTokenBucket(workBudget)
  const slowed = createTokenBucket(slowedMs)
  let pausedUntil = Number.NEGATIVE_INFINITY

  return {
    charge(now, units) {
      work.spend(now, units)
      const left = work.left(now)
      if (left >= 0) return pausedUntil
      const until = now + Math.max(minPauseMs, (-left / workBudget.perSecond) * 1_000)
      const more = until - Math.max(now, pausedUntil)
      if (more <= 0) return pausedUntil
      if (!slowed.take(now, more)) return 'over'
      pausedUntil = until
      return until
    },
  }
}

/**
 * The budgets of peers, kept beyond the end of their links, so that a peer that was cut does not get a fresh budget
 * with its next link.
 */
export interface FrameBudgets {
  of(peerId: string): FrameBudget
}

/** Peers whose budgets are kept, about 500 bytes each. More than there can be links. */
const maxRemembered = 4_096

export function createFrameBudgets(): FrameBudgets {
  return { of: createLru({ max: maxRemembered }, createFrameBudget) }
}
