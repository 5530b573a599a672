import { BoundedMap } from '../../../lib/bounded-map.ts'
import { createLru } from '../../../lib/lru.ts'

/**
 * Distinguishes a restarted peer from two nodes with one key. Each start makes a new instance, so an instance that was
 * replaced by another and comes back has been running all along.
 */
export interface Instances {
  /** A link of another instance has replaced the peer's link. */
  replaced(peerId: string, instance: string): void
  wasReplaced(peerId: string, instance: string): boolean
}

/** Replaced instances that are kept per peer, and peers. The oldest go first. */
const maxInstances = 4
const maxPeers = 1_000

export function createInstances(): Instances {
  const replaced = createLru({ max: maxPeers }, () => new BoundedMap<string, true>({ max: maxInstances }))
  return {
    replaced: (peerId, instance) => void replaced(peerId).set(instance, true),
    wasReplaced: (peerId, instance) => replaced(peerId).has(instance),
  }
}
