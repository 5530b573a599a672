import { BoundedMap } from '../../../lib/bounded-map.ts'
import type { OverlayLimits } from './limits.ts'

/**
 * The topics that this node publishes to without being subscribed. Bounded by number and by time since the last
 * message.
 */
export interface FanOut {
  /** A message was published to the topic. */
  note(topic: string): void
  forget(topic: string): void
  topics(): Iterable<string>
  /** Expires topics without recent messages. */
  sweep(): void
}

export function createFanOut(init: { limits: OverlayLimits }, components: { now(): number; onExpired(topic: string): void }): FanOut {
  const { limits } = init
  const { now, onExpired } = components
  /** The time of each topic's last message. */
  const publishedAt = new BoundedMap<string, number>({ max: limits.maxFanOutTopics, onEvicted: onExpired })

  return {
    note: (topic) => void publishedAt.set(topic, now()),
    forget: (topic) => void publishedAt.delete(topic),
    topics: () => publishedAt.keys(),
    sweep() {
      const until = now() - limits.fanOutMs
      for (const [topic, at] of publishedAt) if (at < until) onExpired(topic)
    },
  }
}
