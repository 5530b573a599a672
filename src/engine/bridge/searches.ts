import { BoundedMap } from '../../lib/bounded-map.ts'

/**
 * The searches that have been at a bridge, each of which it does once. A copy that another bridge brings, while the first
 * is in progress or a moment later, gets what the first one finds: otherwise a bridge that sends a search ahead, and keeps
 * the answer to itself, would hide what is beyond. A copy that may go further or has more time is a search of its own.
 */
export interface Searches<Found> {
  /**
   * Does the work, or waits for that of a copy; undefined when that has found nothing by then.
   * @param key of what is searched for, as its asker wrote it
   */
  run(key: string, reach: Reach, work: () => Promise<Found>): Promise<Found | undefined>
}

/** Further bridges that a search may go to, and milliseconds that it was given. */
export interface Reach {
  hops: number
  timeoutMs: number
}

interface Known<Found> extends Reach {
  /** Undefined once no copy is brought it any more. */
  found: Promise<Found> | undefined
}

/** @param waitMs milliseconds that a copy waits: two bridges may wait for each other, so they are few */
export function createSearches<Found>({ max, waitMs }: { max: number; waitMs: number }): Searches<Found> {
  const known = new BoundedMap<string, Known<Found>>({ max })

  async function foundBy({ found }: Known<Found>): Promise<Found | undefined> {
    const late = Promise.withResolvers<undefined>()
    const timer = setTimeout(() => late.resolve(undefined), waitMs)
    try {
      return await Promise.race([found, late.promise])
    } finally {
      clearTimeout(timer)
    }
  }

  return {
    async run(key, { hops, timeoutMs }, work) {
      const there = known.get(key)
      if (there !== undefined && there.hops >= hops && there.timeoutMs >= timeoutMs) return await foundBy(there)
      const found = work()
      const entry: Known<Found> = { hops, timeoutMs, found }
      known.set(key, entry)
      const forget = () => {
        entry.found = undefined
      }
      const forgetLater = () => void setTimeout(forget, waitMs).unref()
      found.then(forgetLater, forget)
      return await found
    },
  }
}
