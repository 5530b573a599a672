import { createCounter } from '../../lib/counter.ts'

/**
 * Topics that subscribers in the other network want, each counted to one of them: the one to which the fewest are
 * counted. The counts show which subscribers want many topics, and which only a few.
 */
export interface WantedTopics {
  readonly size: number
  has(topic: string): boolean
  /** By topic, when a subscriber was last there, by the monotonic clock. */
  [Symbol.iterator](): Iterator<[topic: string, at: number]>
  /** Somebody wants the topic now. */
  note(topic: string, subscribers: string[]): void
  delete(topic: string): void
  /**
   * Of some topics, the newest of the subscriber to whom the most are counted, if that are more than one of
   * `subscribers` would have with one more.
   */
  tooMany(topics: string[], subscribers: string[]): string | undefined
}

interface Wanted {
  at: number
  holder: string
}

export function createWantedTopics(): WantedTopics {
  const topics = new Map<string, Wanted>()
  const counts = createCounter()

  function leastOf(subscribers: string[]): string {
    return subscribers.reduce((least, each) => (counts.count(each) < counts.count(least) ? each : least), subscribers[0] ?? '')
  }

  function remove(topic: string): void {
    const there = topics.get(topic)
    if (there === undefined) return
    counts.remove(there.holder)
    topics.delete(topic)
  }

  return {
    get size() {
      return topics.size
    },
    has: (topic) => topics.has(topic),
    *[Symbol.iterator]() {
      for (const [topic, { at }] of topics) yield [topic, at]
    },
    note(topic, subscribers) {
      const there = topics.get(topic)
      if (there !== undefined) counts.remove(there.holder)
      const holder = leastOf(subscribers)
      counts.add(holder)
      topics.set(topic, { at: performance.now(), holder })
    },
    delete: remove,
    tooMany(some, subscribers) {
      const held = Map.groupBy(some, (topic) => topics.get(topic)?.holder ?? '')
      const largest = [...held.values()].reduce<string[]>((most, each) => (each.length > most.length ? each : most), [])
      const least = held.get(leastOf(subscribers))?.length ?? 0
      return largest.length > least + 1 ? largest.at(-1) : undefined
    },
  }
}
