import type { Seq } from '../model/cursor.ts'
import type { StoredMessage } from '../model/message.ts'
import { createPatternIndex } from '../model/pattern-index.ts'
import { directTopic, type TopicFilter } from '../model/topic.ts'

/** Who waits for messages of which topics and patterns. */
export interface Followers {
  /** Adds a follower, whose `wake` gets the seq of a message. Returns a function that removes it. */
  add(filter: TopicFilter, wake: (first: Seq) => void): () => void
  /** Calls `wake` of all that a batch may concern, once, with the first such message. */
  wake(messages: StoredMessage[]): void
  /** Calls `wake` of all with the seq. */
  wakeAll(first: Seq): void
  clear(): void
}

interface Follower {
  filter: TopicFilter
  wake(first: Seq): void
}

/**
 * Comparisons with patterns that the topics of one batch may need, about 10 ms of the event loop. Thousands of patterns
 * can match one topic (of `a.*`, `*.b`, … with sixteen levels, 65,536). Beyond it all followers with patterns are woken:
 * one that a batch does not concern looks in vain, in its turn.
 */
const maxComparisons = 10_000

export function createFollowers(): Followers {
  const byTopic = new Map<string, Set<Follower>>()
  const byPattern = createPatternIndex<Follower>()
  const withPatterns = new Set<Follower>()
  const all = new Set<Follower>()

  function remove(follower: Follower): void {
    const { exact, patterns } = follower.filter
    all.delete(follower)
    withPatterns.delete(follower)
    for (const pattern of patterns) byPattern.delete(pattern, follower)
    for (const topic of exact) {
      const others = byTopic.get(topic)
      others?.delete(follower)
      if (others?.size === 0) byTopic.delete(topic)
    }
  }

  return {
    add(filter, wake) {
      const follower: Follower = { filter, wake }
      all.add(follower)
      if (filter.patterns.length > 0) withPatterns.add(follower)
      for (const topic of filter.exact) byTopic.set(topic, (byTopic.get(topic) ?? new Set()).add(follower))
      for (const pattern of filter.patterns) byPattern.add(pattern, follower)
      return () => remove(follower)
    },
    wake(messages) {
      const woken = new Map<Follower, Seq>()
      const seen = new Set<string>()
      let left = maxComparisons
      for (const { topic, seq } of messages) {
        if (seen.has(topic)) continue
        seen.add(topic)
        const wake = (follower: Follower) => {
          if (!woken.has(follower)) woken.set(follower, seq)
        }
        byTopic.get(topic)?.forEach(wake)
        if (topic === directTopic || left <= 0) continue
        const comparisons = byPattern.match(topic, left, wake)
        if (comparisons === undefined) withPatterns.forEach(wake)
        left -= comparisons ?? left
      }
      for (const [follower, first] of woken) follower.wake(first)
    },
    wakeAll(first) {
      for (const follower of [...all]) follower.wake(first)
    },
    clear() {
      for (const follower of all) remove(follower)
    },
  }
}
