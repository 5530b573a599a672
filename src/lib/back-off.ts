/** Pauses between attempts, in milliseconds: doubled with each failure from the first to the last. */
export interface BackOffRange {
  readonly firstMs: number
  readonly lastMs: number
}

/** More doublings than any range has; it keeps the power finite. */
const maxDoublings = 50

/**
 * The pause after an attempt that failed, with equal jitter: half of it is certain, the other half is drawn. So callers
 * that failed together do not come back together, none comes back at once, and none waits longer than the last pause.
 * Full jitter costs a server slightly less, but a pause near 0 is no back-off for a peer that just refused.
 * Source: "Exponential Backoff and Jitter", AWS Architecture Blog, 2015.
 *
 * @param failures the number of failures before this one
 */
export function backOffMs(range: BackOffRange, failures: number, random: () => number = Math.random): number {
  const ms = Math.min(range.firstMs * 2 ** Math.min(failures, maxDoublings), range.lastMs)
  return (ms / 2) * (1 + random())
}
