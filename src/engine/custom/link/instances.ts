import { createLru } from '../../../lib/lru.ts'

/**
 * Tells a peer that was started anew from two nodes with one key. Each start makes a new instance: one that was replaced by another and
 * comes back was alive all the time.
 */
export interface Instances {
  /** The peer's link has given way to that of another instance. */
  replaced(peerId: string, instance: string): void
  wasReplaced(peerId: string, instance: string): boolean
}

/** Replaced instances that are remembered of a peer, and peers; the oldest are forgotten first. */
const maxInstances = 4
const maxPeers = 1_000

export function createInstances(): Instances {
  const replaced = createLru({ max: maxPeers }, () => new Set<string>())
  return {
    replaced(peerId, instance) {
      const instances = replaced(peerId)
      instances.delete(instance)
      instances.add(instance)
      const [oldest] = instances
      if (instances.size > maxInstances && oldest !== undefined) instances.delete(oldest)
    },
    wasReplaced: (peerId, instance) => replaced(peerId).has(instance),
  }
}
