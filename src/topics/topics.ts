import type { Logger } from 'pino'
import type { P2PEngine } from '../engine/engine.ts'
import { TopicLimit, TopicNotFound } from '../errors.ts'
import { byCodePoint } from '../lib/by-code-point.ts'
import { createLru } from '../lib/lru.ts'
import type { Page } from '../lib/page.ts'
import { createSerial } from '../lib/serial.ts'
import type { Limits } from '../limits.ts'
import { defaultRetention } from '../model/retention.ts'
import { everything, matchesTopic, type TopicFilter } from '../model/topic.ts'
import type { TopicStats } from '../model/topic-stats.ts'
import type { LogStore } from '../store/log-store.ts'
import type { Store } from '../store/store.ts'
import type { OwnRetention, TopicJoin, TopicRecord, TopicStore } from '../store/topic-store.ts'
import { createTopicRoom, type TopicRoomLimits } from './topic-room.ts'
import { createTopicStats, type TopicStatsComponents } from './topic-stats.ts'
import { createTopicUses } from './topic-uses.ts'
import { listVisibleTopics } from './visible-topics.ts'

/**
 * The topics that this gateway has joined: recorded in the store and subscribed to at the engine, again after every
 * start. An explicit join lasts until the topic is left. A join by use (a subscription, a validator or a publication)
 * ends `subscribedTopicMs` after the last use, or with the token of its client. A topic stays joined while it has any
 * join. Does not own messages or their pruning, which are `log`'s.
 */
export interface Topics {
  /**
   * Subscribes to the topics that the store has as joined, and follows changes by other gateways. To be called before
   * the engine starts.
   */
  start(): Promise<void>
  stop(): Promise<void>
  /**
   * Joins a topic explicitly for a client (`clientKey`), in the store first. Calls run one at a time, so concurrent
   * calls join once.
   * @throws TopicLimit
   */
  join(topic: string, options: { client: string; retention?: Partial<OwnRetention> | undefined }): Promise<{ created: boolean }>
  /**
   * Sets the retention of a topic for a client. A limit of its own makes the join of a joined topic explicit.
   * @throws TopicNotFound when it is neither joined nor has messages
   */
  retain(topic: string, retention: Partial<OwnRetention>, client: string): Promise<void>
  /** Joins by a single use. Does not query the store if the client is known to use the topic. @throws TopicLimit */
  ensureJoined(topic: string, client: string): Promise<void>
  /**
   * Joins by a single use as `ensureJoined` does, or does nothing when there is no room. Publishing needs no join; with
   * one, the engine looks for other subscribers of the topic.
   */
  joinIfRoom(topic: string, client: string): Promise<void>
  /** Joins by use, which lasts until the result is disposed of. @throws TopicLimit */
  use(topic: string, client: string): Promise<Disposable>
  /** Records that the client reads the topic. That keeps a joined topic joined, but joins no other. */
  read(topic: string, client: string): void
  /** The joins of a topic, oldest first. @throws TopicNotFound when it is neither joined nor has messages */
  joins(topic: string): Promise<TopicJoin[]>
  /** The keys of all clients with joins. */
  clients(): Promise<Set<string>>
  /** Ends the joins by use of a client. */
  giveUp(client: string): Promise<void>
  /** Records recent uses in the store, and ends joins that were idle for `subscribedTopicMs`. */
  sweep(): Promise<void>
  /** Leaves a topic. Returns false when it was not joined. Its messages stay. */
  leave(topic: string): Promise<boolean>
  /** A page of the `visible` topics by name, exclusive of `after`. It may be short or empty although others follow. */
  list(query: { after?: string | undefined; limit: number; visible?: TopicFilter }): Promise<Page<TopicStats>>
  /** The joined topics that a filter matches, by name: the first ones, and whether there are `more`. */
  matching(filter: TopicFilter, limit: number): { topics: string[]; more: boolean }
  /** Does not query the store for a joined topic. @throws TopicNotFound when it is neither joined nor has messages */
  require(topic: string): Promise<void>
  /** @throws TopicNotFound when it is neither joined nor has messages */
  get(topic: string): Promise<TopicStats>
}

export interface TopicsComponents {
  engine: Pick<P2PEngine, 'subscribe' | 'unsubscribe'> & TopicStatsComponents['engine']
  traffic: TopicStatsComponents['traffic']
  store: { readonly topics: TopicStore; readonly log: Pick<LogStore, 'epoch'> } & Pick<Store, 'listen'>
  logger: Logger
  /** Milliseconds since 1970. */
  now?: () => number
}

export type TopicsLimits = TopicRoomLimits &
  Pick<Limits, 'subscribedTopicMs' | 'retentionMaxAgeMs' | 'retentionMaxMessages' | 'retentionMaxBytes'>

/** Clients that are remembered to have found no room. A forgotten one costs an attempt. */
const maxRefusedClients = 10_000
/** Milliseconds between two sweeps, at most. */
const longestSweepMs = 600_000

export function createTopics(init: { limits: TopicsLimits }, components: TopicsComponents): Topics {
  const { maxJoinedTopics, subscribedTopicMs } = init.limits
  const { engine, store, logger, now = Date.now } = components
  /** Topics that are joined in the store and subscribed to at the engine. */
  const joined = new Set<string>()
  /** Runs joins and leaves one at a time, so that store and engine cannot end up apart. */
  const inTurn = createSerial()
  const uses = createTopicUses()
  /** How often room may have been made: by a leave, or by time. */
  let roomsMade = 0
  /**
   * The value of `roomsMade` when a client last found no room. Until it changes, another attempt would read all joins
   * in vain.
   */
  const refusalOf = createLru({ max: maxRefusedClients }, () => ({ at: -1 }))
  const isInUse = ({ topic, client }: TopicJoin) => uses.isOpen(topic, client)
  const stats = createTopicStats({ byDefault: defaultRetention(init.limits) }, components)
  const room = createTopicRoom(init, { store: store.topics, isInUse, now })
  const sweepMs = Math.max(1, Math.min(longestSweepMs, subscribedTopicMs / 4))
  let sweeping: NodeJS.Timeout | undefined
  /** Whether a reading of the joins is queued and has not begun. */
  let isFollowing = false
  let unlisten: (() => void) | undefined

  /** Makes the engine's subscriptions equal to the joined topics of the store. */
  async function follow(): Promise<void> {
    room.forget()
    const stored = new Set(await store.topics.joined())
    if (stored.size > maxJoinedTopics) logger.warn({ joined: stored.size, maxJoinedTopics }, 'more topics are joined than the limit')
    for (const topic of stored) {
      if (joined.has(topic)) continue
      await engine.subscribe(topic)
      joined.add(topic)
    }
    for (const topic of joined) {
      if (stored.has(topic)) continue
      joined.delete(topic)
      roomsMade++
      uses.forgetTopic(topic)
      await engine.unsubscribe(topic)
    }
  }

  function join(topic: string, by: { client: string; explicit: boolean }): Promise<{ created: boolean }> {
    return inTurn(async () => {
      const isNew = !joined.has(topic)
      if (isNew && (await room.make(by.client))) await follow()
      try {
        const created = await store.topics.join(topic, now(), by)
        if (isNew) await engine.subscribe(topic)
        joined.add(topic)
        uses.add(topic, by.client)
        return { created }
      } catch (error) {
        room.forget()
        throw error
      }
    })
  }

  async function ensureJoined(topic: string, client: string): Promise<void> {
    if (!joined.has(topic) || !uses.note(topic, client)) await join(topic, { client, explicit: false })
  }

  async function joinIfRoom(topic: string, client: string): Promise<void> {
    const refusal = refusalOf(client)
    if (!joined.has(topic) && refusal.at === roomsMade) return
    try {
      await ensureJoined(topic, client)
    } catch (error) {
      if (!(error instanceof TopicLimit)) throw error
      refusal.at = roomsMade
    }
  }

  function sweep(): Promise<void> {
    return inTurn(async () => {
      roomsMade++
      for (const [client, topics] of uses.take()) await store.topics.used(client, topics, now())
      if (subscribedTopicMs === 0) return
      room.forget()
      // One sweep late: uses are recorded once per sweep, and a killed gateway has not recorded its last ones.
      if (await store.topics.giveUp({ usedBefore: now() - subscribedTopicMs - sweepMs })) await follow()
    })
  }

  /** Notices that arrive before a reading of the joins has begun are answered by it together. */
  function followLater(): void {
    if (isFollowing) return
    isFollowing = true
    inTurn(() => {
      isFollowing = false
      return follow()
    }).catch((err: unknown) => logger.warn({ err }, 'joins and leaves of other gateways could not be applied'))
  }

  function sweepLater(): void {
    sweeping = setTimeout(() => {
      sweep()
        .catch((err: unknown) => logger.warn({ err }, 'idle joins could not be ended; another attempt follows'))
        .finally(() => {
          if (sweeping !== undefined) sweepLater()
        })
    }, sweepMs)
  }

  /** @throws TopicNotFound */
  async function requireStored(topic: string): Promise<TopicRecord> {
    const record = await store.topics.get(topic)
    if (record !== undefined) return record
    throw new TopicNotFound(
      'This gateway has neither joined this topic nor stored a message of it. Join it with PUT /v1/topics/{topic}, or publish to it.',
    )
  }

  return {
    async start() {
      await inTurn(follow)
      sweepLater()
      unlisten = store.listen(({ kind }) => {
        if (kind !== 'topics' && kind !== 'everything') return
        followLater()
      })
    },
    async stop() {
      unlisten?.()
      clearTimeout(sweeping)
      sweeping = undefined
      await sweep().catch((err: unknown) => logger.warn({ err }, 'uses of topics could not be recorded'))
    },
    async join(topic, { client, retention }) {
      const joining = await join(topic, { client, explicit: true })
      if (retention !== undefined) await store.topics.retain(topic, retention)
      return joining
    },
    async retain(topic, retention, client) {
      const record = await requireStored(topic)
      if (record.joined && Object.values(retention).some((own) => own !== null)) await join(topic, { client, explicit: true })
      await store.topics.retain(topic, retention)
    },
    ensureJoined,
    joinIfRoom,
    async use(topic, client) {
      await ensureJoined(topic, client)
      return uses.open(topic, client)
    },
    read(topic, client) {
      if (!joined.has(topic) || uses.note(topic, client)) return
      join(topic, { client, explicit: false }).catch((err: unknown) => logger.debug({ err }, 'a read of a topic could not be recorded'))
    },
    async joins(topic) {
      await requireStored(topic)
      return (await store.topics.joins()).filter((each) => each.topic === topic)
    },
    clients: async () => new Set((await store.topics.joins()).map(({ client }) => client)),
    giveUp(client) {
      return inTurn(async () => {
        uses.forgetClient(client)
        // Topics that others have joined too stay, and count for these.
        room.forget()
        if (await store.topics.giveUp({ client })) await follow()
      })
    },
    sweep,
    leave(topic) {
      return inTurn(async () => {
        const left = await store.topics.leave(topic)
        joined.delete(topic)
        room.forget()
        roomsMade++
        uses.forgetTopic(topic)
        await engine.unsubscribe(topic)
        return left
      })
    },
    async list({ after, limit, visible = everything }) {
      // Asked first: if the log is replaced meanwhile, the cursors are refused instead of naming other messages.
      const epoch = await store.log.epoch()
      const { items, next } = await listVisibleTopics({ visible, after, limit }, store.topics)
      return { items: await Promise.all(items.map((record) => stats(record, epoch))), next }
    },
    matching(filter, limit) {
      const all = [...joined].filter((topic) => matchesTopic(filter, topic)).toSorted(byCodePoint)
      return { topics: all.slice(0, limit), more: all.length > limit }
    },
    async require(topic) {
      if (!joined.has(topic)) await requireStored(topic)
    },
    async get(topic) {
      const epoch = await store.log.epoch()
      return await stats(await requireStored(topic), epoch)
    },
  }
}
