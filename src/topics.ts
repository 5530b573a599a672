import type { Logger } from 'pino'
import type { P2PEngine } from './engine/engine.ts'
import { TopicLimit, TopicNotFound } from './errors.ts'
import { createInTurn } from './in-turn.ts'
import { formatCursor } from './model/cursor.ts'
import { matchesTopic, type TopicFilter } from './model/topic.ts'
import type { TopicStats } from './model/topic-stats.ts'
import { defaultRetention } from './retention.ts'
import type { LogStore, OwnRetention, Store, TopicRecord, TopicStore } from './store/store.ts'

/** The topics this gateway has joined: noted in the store, subscribed to at the engine, again after every start. */
export interface Topics {
  /** Subscribes to what the store says is joined, now and whenever other gateways change it; to be called before the engine starts. */
  start(): Promise<void>
  stop(): Promise<void>
  /**
   * Joins, durably first. Calls are worked off one after another, so any number of them at once join once.
   * @throws TopicLimit
   */
  join(topic: string, retention?: Partial<OwnRetention>): Promise<{ created: boolean }>
  /** Sets what the topic keeps. @throws TopicNotFound when it is neither joined nor has messages */
  retain(topic: string, retention: Partial<OwnRetention>): Promise<void>
  /** The same for those who only need it done: asks nobody when the topic is joined already. */
  ensureJoined(topic: string): Promise<void>
  /** Leaves; answers false when the topic was not joined. Its messages stay. */
  leave(topic: string): Promise<boolean>
  /** By name, those after the name `after`, of those that are `visible`; `next` is the `after` of the next page, null on the last one. */
  list(query: { after?: string | undefined; limit: number; visible?: TopicFilter }): Promise<{ items: TopicStats[]; next: string | null }>
  /** @throws TopicNotFound when it is neither joined nor has messages */
  get(topic: string): Promise<TopicStats>
}

export interface TopicsComponents {
  engine: Pick<P2PEngine, 'peerId' | 'subscribe' | 'unsubscribe' | 'subscribers'>
  store: { readonly topics: TopicStore; readonly log: Pick<LogStore, 'epoch'> } & Pick<Store, 'listen'>
  log: Logger
  /** Milliseconds since 1970. */
  now?: () => number
}

export interface TopicsLimits {
  maxJoinedTopics: number
  retentionMaxAgeMs: number
  retentionMaxMessages: number
  retentionMaxBytes: number
}

export function createTopics(init: { limits: TopicsLimits }, components: TopicsComponents): Topics {
  const { maxJoinedTopics } = init.limits
  const byDefault = defaultRetention(init.limits)
  const { engine, store, log, now = Date.now } = components
  /** What is joined in the store and subscribed to at the engine. */
  const joined = new Set<string>()
  /** Joining and leaving happen one at a time, so that store and engine can't end up apart. */
  const inTurn = createInTurn()
  let unlisten: (() => void) | undefined

  /** Subscribes to what is joined in the store, and to nothing else. */
  function follow(): Promise<void> {
    return inTurn(async () => {
      const stored = new Set(await store.topics.joined())
      if (stored.size > maxJoinedTopics) log.warn({ joined: stored.size, maxJoinedTopics }, 'more topics are joined than the limit')
      for (const topic of stored) {
        if (joined.has(topic)) continue
        await engine.subscribe(topic)
        joined.add(topic)
      }
      for (const topic of joined) {
        if (stored.has(topic)) continue
        joined.delete(topic)
        await engine.unsubscribe(topic)
      }
    })
  }

  function join(topic: string): Promise<{ created: boolean }> {
    return inTurn(async () => {
      if (joined.has(topic)) return { created: false }
      if (joined.size >= maxJoinedTopics) {
        throw new TopicLimit(`This gateway joins at most ${maxJoinedTopics} topics at a time; leave one first.`)
      }
      const created = await store.topics.join(topic, now())
      await engine.subscribe(topic)
      joined.add(topic)
      return { created }
    })
  }

  async function visibleRecords(visible: TopicFilter | undefined, after: string | undefined, limit: number): Promise<TopicRecord[]> {
    const found: TopicRecord[] = []
    for (let from = after; found.length < limit; ) {
      const page = await store.topics.list({ ...(from === undefined ? {} : { after: from }), limit })
      found.push(...page.filter(({ topic }) => visible === undefined || matchesTopic(visible, topic)))
      if (page.length < limit) break
      from = page.at(-1)?.topic
    }
    return found.slice(0, limit)
  }

  async function stats(record: TopicRecord, epoch: string): Promise<TopicStats> {
    const { earliest, latest } = record
    return {
      topic: record.topic,
      joined: record.joined,
      messages: record.messages,
      bytes: record.bytes,
      earliest: record.messages === 0 ? null : formatCursor(epoch, earliest),
      latest: record.messages === 0 ? null : formatCursor(epoch, latest),
      retention: {
        maxAgeMs: record.retention.maxAgeMs ?? byDefault.maxAgeMs,
        maxMessages: record.retention.maxMessages ?? byDefault.maxMessages,
        maxBytes: record.retention.maxBytes ?? byDefault.maxBytes,
      },
      subscribers: (await engine.subscribers(record.topic)).length,
      gateway: engine.peerId,
    }
  }

  return {
    async start() {
      await follow()
      unlisten = store.listen(({ kind }) => {
        if (kind !== 'topics' && kind !== 'everything') return
        follow().catch((err: unknown) => log.warn({ err }, 'topics that other gateways have joined or left could not be followed'))
      })
    },
    async stop() {
      unlisten?.()
      await inTurn(async () => undefined)
    },
    async join(topic, retention) {
      const joining = await join(topic)
      if (retention !== undefined) await store.topics.retain(topic, retention)
      return joining
    },
    async retain(topic, retention) {
      if ((await store.topics.get(topic)) === undefined) throw notFound()
      await store.topics.retain(topic, retention)
    },
    async ensureJoined(topic) {
      if (!joined.has(topic)) await join(topic)
    },
    leave(topic) {
      return inTurn(async () => {
        const left = await store.topics.leave(topic)
        joined.delete(topic)
        await engine.unsubscribe(topic)
        return left
      })
    },
    async list({ after, limit, visible }) {
      const records = await visibleRecords(visible, after, limit + 1)
      const page = records.slice(0, limit)
      const epoch = await store.log.epoch()
      const items = await Promise.all(page.map((record) => stats(record, epoch)))
      return { items, next: records.length > limit ? (page.at(-1)?.topic ?? null) : null }
    },
    async get(topic) {
      const record = await store.topics.get(topic)
      if (record === undefined) throw notFound()
      return await stats(record, await store.log.epoch())
    },
  }
}

function notFound(): TopicNotFound {
  return new TopicNotFound('This gateway has neither joined this topic nor stored a message of it.')
}
