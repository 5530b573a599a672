import { IdempotencyKeyLimit } from '../errors.ts'
import { createLru } from '../lib/lru.ts'

/** Limits the number of remembered idempotency keys of each client, for each kind of operation. */
export interface KeyRoom {
  /** Counts a new key. @throws IdempotencyKeyLimit, StoreUnavailable */
  take(idempotency: { scope: string }): Promise<void>
}

/** Milliseconds between two counts for a client at its limit: old keys expire meanwhile. */
const recountMs = 30_000
/** Scopes whose counts are kept in memory, the most recently active ones. Others are counted again. */
const maxCounted = 10_000

/**
 * Counts the keys of a scope in the database once, and from then on in memory. Keys that other gateways store are
 * counted when the limit is reached, so a scope has at most `max` keys at each gateway.
 * @param components.count counts the stored keys that begin with a prefix, at most `limit`
 */
export function createKeyRoom(
  init: { max: number },
  components: { count(prefix: string, limit: number): Promise<number>; now?: () => number },
): KeyRoom {
  const { max } = init
  const { count, now = Date.now } = components
  const counterOf = createLru({ max: maxCounted }, () => ({ keys: max, countedAt: Number.NEGATIVE_INFINITY, counted: Promise.resolve() }))

  return {
    async take({ scope }) {
      const prefix = `${scope} `
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
        throw new IdempotencyKeyLimit(`A client may have at most ${max} remembered idempotency keys.`, { retryAfterMs: recountMs })
      }
      counter.keys++
    },
  }
}
