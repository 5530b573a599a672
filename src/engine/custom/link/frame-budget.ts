import { createTokenBucket } from '../../../lib/token-bucket.ts'

/**
 * What a peer may have this node do, in units of frame-prices.ts. Who goes beyond is slowed: nothing more is read of it until its budget is
 * made up. Who goes on beyond all the same is cut.
 */
export interface FrameBudget {
  /**
   * Counts work, before or after it was done; less than none is given back. Answers until when (milliseconds, as `now`) nothing more is to be
   * taken from the peer, or `over` when it was slowed for too long.
   */
  charge(now: number, units: number): number | 'over'
}

/**
 * A tenth of a second's work in each second, ten seconds of that at once. An honest peer that announces 5,000 messages in a second, or says
 * something on each of 200 topics ten times a second, stays below a third of it; the burst is five times the greeting of a peer with 1,000 topics.
 */
export const workBudget = { perSecond: 100_000, burst: 1_000_000 }
/** Milliseconds for which a peer may have been slowed, at once and in a second: seldom is no offence. */
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

/** The budgets of peers, also of those that have no link any more: a peer that was cut does not begin anew with its next link. */
export interface FrameBudgets {
  of(peerId: string): FrameBudget
}

/** Peers whose budgets are remembered, some 500 bytes each: more than have links. */
const maxRemembered = 4_096

export function createFrameBudgets(): FrameBudgets {
  /** The peer whose link is the newest last. */
  const budgets = new Map<string, FrameBudget>()
  return {
    of(peerId) {
      const budget = budgets.get(peerId) ?? createFrameBudget()
      budgets.delete(peerId)
      budgets.set(peerId, budget)
      const oldest = budgets.keys().next().value
      if (budgets.size > maxRemembered && oldest !== undefined) budgets.delete(oldest)
      return budget
    },
  }
}
