import { BoundedMap } from '../lib/bounded-map.ts'
import type { Grant } from '../model/grant.ts'

/**
 * Grants of tokens, in memory. What may have changed is forgotten by its id, so that other tokens are not looked up again,
 * however many change.
 */
export interface GrantCache {
  /**
   * The grant of a key, from memory or from `lookUp`. It is looked up again when it was forgotten meanwhile, since the
   * token may have ended after it was read.
   */
  get(key: string, lookUp: () => Promise<Grant | undefined>): Promise<Grant | undefined>
  /** Forgets the grant with an id; without an id, all grants. */
  forget(id: string | undefined): void
}

/** Grants in memory; the least recently used is evicted. */
const maxCached = 10_000

export function createGrantCache(): GrantCache {
  const grants = new BoundedMap<string, Grant>({ max: maxCached })
  /** For each look-up in progress, the ids that were forgotten since it began; undefined stands for all. */
  const lookUps = new Set<Set<string | undefined>>()

  return {
    async get(key, lookUp) {
      let grant = grants.use(key)
      while (grant === undefined) {
        const forgotten = new Set<string | undefined>()
        lookUps.add(forgotten)
        const found = await lookUp().finally(() => lookUps.delete(forgotten))
        if (found === undefined) return undefined
        if (forgotten.has(found.id) || forgotten.has(undefined)) continue
        grant = found
        grants.set(key, grant)
      }
      return grant
    },
    forget(id) {
      for (const forgotten of lookUps) forgotten.add(id)
      if (id === undefined) grants.clear()
      else for (const [key, grant] of grants) if (grant.id === id) grants.delete(key)
    },
  }
}
