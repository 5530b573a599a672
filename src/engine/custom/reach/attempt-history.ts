import type { Link } from '../link/link.ts'

/**
 * What became of the attempts at a direct path that this end began on each relayed link. A relayed link that is new has
 * no history: a router or a relay has changed, so what failed before it says nothing of it.
 */
export interface AttemptHistory {
  /** Attempts in a row that have failed on this link. */
  failures(link: Link): number
  /** Whether the pause after the last failure on this link is not over. */
  isPausing(link: Link): boolean
  /** Returns the pause that begins, in milliseconds. */
  failed(link: Link): number
  succeeded(link: Link): void
}

interface History {
  readonly failures: number
  /** The end of the pause, by the clock of `now`. */
  readonly notBefore: number
}

const untried: History = { failures: 0, notBefore: Number.NEGATIVE_INFINITY }

export function createAttemptHistory(
  init: {
    /** The pause after a failure, in milliseconds, by the number of failures before it. */
    pauseMs(failures: number): number
  },
  components: { now(): number },
): AttemptHistory {
  const { now } = components
  const histories = new WeakMap<Link, History>()
  const historyOf = (link: Link) => histories.get(link) ?? untried

  return {
    failures: (link) => historyOf(link).failures,
    isPausing: (link) => historyOf(link).notBefore > now(),
    failed(link) {
      const { failures } = historyOf(link)
      const pauseMs = init.pauseMs(failures)
      histories.set(link, { failures: failures + 1, notBefore: now() + pauseMs })
      return pauseMs
    },
    succeeded(link) {
      histories.delete(link)
    },
  }
}
