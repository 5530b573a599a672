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
  /** Topics with the time of the last message, the latest last. */
  const publishedAt = new Map<string, number>()

  return {
    note(topic) {
      publishedAt.delete(topic)
      publishedAt.set(topic, now())
      if (publishedAt.size <= limits.maxFanOutTopics) return
      const oldest = publishedAt.keys().next().value
      if (oldest !== undefined) onExpired(oldest)
    },
    forget: (topic) => void publishedAt.delete(topic),
    topics: () => publishedAt.keys(),
    sweep() {
      const until = now() - limits.fanOutMs
      for (const [topic, at] of publishedAt) if (at < until) onExpired(topic)
    },
  }
}
