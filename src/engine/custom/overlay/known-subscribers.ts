import { BoundedMap } from '../../../lib/bounded-map.ts'
import type { OverlayLimits } from './limits.ts'
import type { PeerRecord } from './overlay.ts'

/**
 * Unverified subscribers of topics, as peers tell. Bounded by topics and by subscribers of each topic; the oldest go
 * first.
 */
export interface KnownSubscribers {
  learn(topic: string, peer: PeerRecord): void
  of(topic: string): PeerRecord[]
  forget(peerId: string): void
  readonly size: number
}

export function createKnownSubscribers(init: { limits: OverlayLimits }): KnownSubscribers {
  const { maxKnownTopics, maxKnownSubscribers } = init.limits
  const topics = new BoundedMap<string, BoundedMap<string, PeerRecord>>({ max: maxKnownTopics })

  return {
    learn(topic, peer) {
      if (peer.multiaddrs.length === 0) return
      const peers = topics.get(topic) ?? new BoundedMap<string, PeerRecord>({ max: maxKnownSubscribers })
      topics.set(topic, peers.set(peer.peerId, peer))
    },
    of: (topic) => [...(topics.get(topic)?.values() ?? [])],
    forget(peerId) {
      for (const [topic, peers] of topics) if (peers.delete(peerId) && peers.size === 0) topics.delete(topic)
    },
    get size() {
      let size = 0
      for (const peers of topics.values()) size += peers.size
      return size
    },
  }
}
