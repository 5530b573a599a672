import type { OverlayLimits } from './limits.ts'
import type { Envelope } from './overlay.ts'

/** Accepted messages of the last seconds, for neighbours that missed them. Bounded by time, bytes and number, the oldest go first. */
export interface MessageCache {
  put(message: CachedMessage): void
  get(id: string): CachedMessage | undefined
  /** Messages of a topic from the given time on, the newest first, at most so many. */
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
  /** Neighbours that asked for it and were sent it, so that nobody has it sent over and over. */
  readonly askedBy: Set<string>
}

/** What an entry takes beside the message's own bytes. */
const entryBytes = 300

export function createMessageCache(init: { limits: OverlayLimits }, components: { now(): number }): MessageCache {
  const { limits } = init
  const messages = new Map<string, CachedMessage>()
  /** The same by topic: who joins one does not have those of all looked at. */
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

  /** An eighth more than need be: to find the oldest of a map costs as much as there were removed before it. */
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
