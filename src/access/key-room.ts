import { IdempotencyKeyLimit } from '../errors.ts'

/** Keeps the keys that are remembered of each client within a number. */
export interface KeyRoom {
  /** Counts a new key. @throws IdempotencyKeyLimit, StoreUnavailable */
  take(idempotency: { scope: string }): Promise<void>
}

/** Milliseconds between two counts of a client that has as many as it may: keys become old all the time. */
const recountMs = 30_000
/** Clients whose keys are counted in memory; another one has them all counted anew. */
const maxCounted = 10_000

/**
 * The keys of a client are counted in the database when it sends its first, and from then on here. What other gateways note of it
 * meanwhile is seen when the number is reached, so that a client has at most this number at each of them.
 * @param components.count counts the stored keys that begin with a prefix, at most `limit`
 */
export function createKeyRoom(
  init: { max: number },
  components: { count(prefix: string, limit: number): Promise<number>; now?: () => number },
): KeyRoom {
  const { max } = init
  const { count, now = Date.now } = components
  const counters = new Map<string, { keys: number; countedAt: number; counted: Promise<void> }>()

  function counterOf(prefix: string) {
    const known = counters.get(prefix)
    if (known !== undefined) return known
    if (counters.size >= maxCounted) counters.clear()
    const fresh = { keys: max, countedAt: Number.NEGATIVE_INFINITY, counted: Promise.resolve() }
    counters.set(prefix, fresh)
    return fresh
  }

  return {
    async take({ scope }) {
      const prefix = scope.slice(0, scope.indexOf(' ') + 1)
      const counter = counterOf(prefix)
      if (counter.keys >= max && now() - counter.countedAt >= recountMs) {
        counter.countedAt = now()
        counter.counted = count(prefix, max).then(
          (keys) => void Object.assign(counter, { keys }),
          (error: unknown) => {
            counter.countedAt = Number.NEGATIVE_INFINITY
            throw error
          },
        )
      }
      await counter.counted
      if (counter.keys >= max) {
        throw new IdempotencyKeyLimit(`At most ${max} idempotency keys of a client are remembered at a time.`, { retryAfterMs: recountMs })
      }
      counter.keys++
    },
  }
}
