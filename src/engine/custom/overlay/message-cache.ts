import type { OverlayLimits } from './limits.ts'
import type { Envelope } from './overlay.ts'

/**
 * Accepted messages of the last seconds, for neighbours that missed them. Bounded by time, bytes and number, the oldest
 * go first.
 */
export interface MessageCache {
  put(message: CachedMessage): void
  get(id: string): CachedMessage | undefined
  /** At most `limit` messages of a topic since the time `from`, the newest first. */
  latest(topic: string, from: number, limit: number): CachedMessage[]
  forgetTopic(topic: string): void
  sweep(): void
  readonly bytes: number
  readonly size: number
}

export interface CachedMessage {
  readonly envelope: Envelope
  /** Links from the author to here; 0 for our own. */
  readonly hops: number
  /** The neighbour that it came from. */
  readonly from: string | undefined
  readonly at: number
}

/** Memory of an entry beside the message's bytes. */
const entryBytes = 300

export function createMessageCache(init: { limits: OverlayLimits }, components: { now(): number }): MessageCache {
  const { limits } = init
  const messages = new Map<string, CachedMessage>()
  /** Messages by topic, so that a new neighbour in a topic costs no scan of all messages. */
  const byTopic = new Map<string, Set<CachedMessage>>()
  let bytes = 0

  function remove(message: CachedMessage): void {
    const { id, topic } = message.envelope
    if (!messages.delete(id)) return
    bytes -= message.envelope.bytes.length + entryBytes
    const ofTopic = byTopic.get(topic)
    ofTopic?.delete(message)
    if (ofTopic?.size === 0) byTopic.delete(topic)
  }

  function removeOldest(isDue: (message: CachedMessage) => boolean): void {
    for (const message of messages.values()) {
      if (!isDue(message)) return
      remove(message)
    }
  }

  /** Removes an eighth at a time, since finding the oldest entry of a map costs as much as the removals before it. */
  function makeRoom(): void {
    if (bytes <= limits.maxCacheBytes && messages.size <= limits.maxCacheMessages) return
    removeOldest(() => bytes > limits.maxCacheBytes * (7 / 8) || messages.size > limits.maxCacheMessages * (7 / 8))
  }

  return {
    put(message) {
      if (messages.has(message.envelope.id)) return
      const { id, topic } = message.envelope
      messages.set(id, message)
      byTopic.set(topic, (byTopic.get(topic) ?? new Set()).add(message))
      bytes += message.envelope.bytes.length + entryBytes
      makeRoom()
    },
    get: (id) => messages.get(id),
    latest(topic, from, limit) {
      const found: CachedMessage[] = []
      for (const message of byTopic.get(topic) ?? []) if (message.at >= from) found.push(message)
      return found.reverse().slice(0, limit)
    },
    forgetTopic(topic) {
      for (const message of byTopic.get(topic) ?? []) remove(message)
    },
    sweep() {
      const until = components.now() - limits.cacheMs
      removeOldest(({ at }) => at < until)
    },
    get bytes() {
      return bytes
    },
    get size() {
      return messages.size
    },
  }
}
