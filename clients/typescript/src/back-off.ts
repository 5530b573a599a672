/** Pauses between attempts to connect, in milliseconds: at most `firstMs` after the first failure, doubled with each to `lastMs`. */
export interface BackOff {
  readonly firstMs: number
  readonly lastMs: number
}

export const defaultBackOff: BackOff = { firstMs: 500, lastMs: 30_000 }

/** Bounds of the pause before a call is repeated, in milliseconds, whatever the gateway says, and the pause when it says nothing. */
const repetition = { leastMs: 50, mostMs: 120_000, usualMs: 1_000 }

/** The pause after a retryable error. Without bounds a gateway could make the client repeat without pause, or never. */
export function repeatAfterMs(asked: unknown): number {
  if (typeof asked !== 'number') return repetition.usualMs
  return Math.min(Math.max(asked, repetition.leastMs), repetition.mostMs)
}

/** More doublings than any range has; it keeps the power finite. */
const maxDoublings = 50

/**
 * A pause with full jitter, so that clients which lost one gateway together do not come back together.
 * Source: "Exponential Backoff and Jitter", AWS Architecture Blog, 2015.
 *
 * @param failures the number of failures before this one
 * @param leastMs what the gateway asked for; the jitter is added to it
 */
export function pauseMs({ firstMs, lastMs }: BackOff, failures: number, leastMs = 0, random: () => number = Math.random): number {
  return leastMs + random() * Math.min(firstMs * 2 ** Math.min(failures, maxDoublings), lastMs)
}
