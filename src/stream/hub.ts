import type { Seq } from '../model/cursor.ts'
import type { StoredMessage } from '../model/message.ts'
import { matchesTopic, type TopicFilter } from '../model/topic.ts'
import { createEntry, type Entry } from './entry.ts'
import { createRing } from './ring.ts'

/**
 * The reading end of the log for everyone who follows it live: recent messages from memory, older ones through the injected read
 * function, by one and the same call. The hub keeps no queue per reader; a reader is a position of its own.
 */
export interface Hub {
  /** Reads the log's end; what was appended before is left to the store. */
  start(): Promise<void>
  stop(): Promise<void>
  readonly epoch: string
  readonly tip: Seq
  /**
   * Takes in a batch that was durably appended, in order, and wakes the followers it concerns. `previousTip` is the log's end before
   * the batch: when the hub has not seen everything up to there (another gateway appended in between), it forgets what it holds in
   * memory, so that everybody reads what is missing from the store.
   */
  append(previousTip: Seq, messages: StoredMessage[]): void
  /**
   * Entries after a position, oldest first; `scanned` is the position up to which everything that matches was answered, so reading
   * goes on from there. At the log's end when `scanned` equals `tip`. One call answers about `maxBytes` of data at most, but at least
   * one entry. A promise only when the store had to be asked.
   */
  read(after: Seq, filter: TopicFilter, maxBytes: number): HubStep | Promise<HubStep>
  /** Has `wake` called after each append that holds a message for the filter. Answers a function that ends it. */
  follow(filter: TopicFilter, wake: (first: Seq) => void): () => void
}

export interface HubStep {
  entries: Entry[]
  scanned: Seq
}

export interface HubLimits {
  maxRingMessages: number
  maxRingBytes: number
  maxReadMessages: number
}

/** What the hub needs of the store. */
export interface HubLog {
  epoch(): Promise<string>
  position(): Promise<{ tip: Seq }>
  read(query: {
    after: Seq
    through: Seq
    order: 'asc'
    limit: number
    maxBytes: number
    topics: TopicFilter
  }): Promise<{ messages: StoredMessage[]; scanned: Seq }>
}

interface Follower {
  filter: TopicFilter
  wake(first: Seq): void
}

export function createHub(init: { limits: HubLimits }, components: { log: HubLog }): Hub {
  const { limits } = init
  const { log } = components
  const ring = createRing<Entry>(limits, 0)
  const byTopic = new Map<string, Set<Follower>>()
  const byPattern = new Set<Follower>()
  let epoch = ''

  function readRing(after: Seq, filter: TopicFilter, maxBytes: number): HubStep {
    const entries: Entry[] = []
    let bytes = 0
    for (const entry of ring.after(after)) {
      if (!concerns(filter, entry.message)) continue
      bytes += entry.message.data.length
      entries.push(entry)
      if (entries.length >= limits.maxReadMessages || bytes >= maxBytes) return { entries, scanned: entry.message.seq }
    }
    return { entries, scanned: ring.tip }
  }

  async function readStore(after: Seq, filter: TopicFilter, maxBytes: number): Promise<HubStep> {
    const step = await log.read({
      after,
      through: ring.floor,
      order: 'asc',
      limit: limits.maxReadMessages,
      maxBytes,
      topics: filter,
    })
    return { entries: step.messages.map((message) => createEntry(message, epoch)), scanned: step.scanned }
  }

  function followersOf(message: StoredMessage, woken: Map<Follower, Seq>): void {
    for (const follower of byTopic.get(message.topic) ?? []) {
      if (!woken.has(follower)) woken.set(follower, message.seq)
    }
    for (const follower of byPattern) {
      if (!woken.has(follower) && concerns(follower.filter, message)) woken.set(follower, message.seq)
    }
  }

  return {
    async start() {
      epoch = await log.epoch()
      ring.reset((await log.position()).tip)
    },
    async stop() {
      byTopic.clear()
      byPattern.clear()
    },
    get epoch() {
      return epoch
    },
    get tip() {
      return ring.tip
    },
    append(previousTip, messages) {
      const woken = new Map<Follower, Seq>()
      if (previousTip !== ring.tip) {
        const missed = ring.tip + 1
        ring.reset(previousTip)
        for (const followers of [byPattern, ...byTopic.values()]) for (const follower of followers) woken.set(follower, missed)
      }
      for (const message of messages) {
        ring.push(createEntry(message, epoch))
        followersOf(message, woken)
      }
      for (const [follower, first] of woken) follower.wake(first)
    },
    read(after, filter, maxBytes) {
      return after >= ring.floor ? readRing(after, filter, maxBytes) : readStore(after, filter, maxBytes)
    },
    follow(filter, wake) {
      const follower: Follower = { filter, wake }
      if (filter.prefixes.length > 0) byPattern.add(follower)
      else for (const topic of filter.exact) byTopic.set(topic, (byTopic.get(topic) ?? new Set()).add(follower))
      return () => {
        byPattern.delete(follower)
        for (const topic of filter.exact) {
          const followers = byTopic.get(topic)
          followers?.delete(follower)
          if (followers?.size === 0) byTopic.delete(topic)
        }
      }
    },
  }
}

function concerns(filter: TopicFilter, message: StoredMessage): boolean {
  return message.kind === 'topic' && matchesTopic(filter, message.topic)
}
