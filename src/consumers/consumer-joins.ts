import type { Logger } from 'pino'
import { subscriptionFilter, topicsOf } from '../model/topic.ts'
import type { ConsumerRecord, ConsumerStore } from '../store/consumer-store.ts'
import type { LogStore } from '../store/log-store.ts'
import type { Topics } from '../topics/topics.ts'

/**
 * Keeps the topics of all consumers joined, for the clients that created them, also those made at other gateways, and
 * finishes removals that a crash has interrupted.
 */
export interface ConsumerJoins {
  start(): Promise<void>
  stop(): void
  /** @throws TopicLimit */
  join(consumer: ConsumerRecord): Promise<void>
  leave(name: string): void
}

export interface ConsumerJoinsComponents {
  store: Pick<ConsumerStore, 'list' | 'loseThrough' | 'finishRemovals'>
  log: Pick<LogStore, 'position'>
  topics: Pick<Topics, 'use'>
  logger: Logger
  /** Milliseconds since 1970. */
  now(): number
  /** Called now and then with the names of all consumers that were created before a time. */
  onNames(names: ReadonlySet<string>, createdBefore: number): void
}

/** Milliseconds between two looks at what consumers there are. */
const sweepMs = 60_000

export function createConsumerJoins(components: ConsumerJoinsComponents): ConsumerJoins {
  const { store, log, topics, logger, now, onNames } = components
  const joins = new Map<string, { createdAt: number; held: DisposableStack }>()
  let timer: NodeJS.Timeout | undefined

  async function join({ name, client, settings, createdAt }: ConsumerRecord): Promise<void> {
    if (joins.get(name)?.createdAt === createdAt) return
    using held = new DisposableStack()
    for (const topic of topicsOf(subscriptionFilter(settings))) held.use(await topics.use(topic, client))
    leave(name)
    joins.set(name, { createdAt, held: held.move() })
  }

  function leave(name: string): void {
    joins.get(name)?.held.dispose()
    joins.delete(name)
  }

  async function sweep(): Promise<void> {
    const since = now()
    const all = await store.list()
    await store.finishRemovals()
    const names = new Set(all.map(({ name }) => name))
    for (const [name, { createdAt }] of joins) if (!names.has(name) && createdAt < since) leave(name)
    onNames(names, since)
    for (const consumer of all) {
      await join(consumer).catch((err: unknown) => logger.warn({ err, consumer: consumer.name }, 'could not join the topics of a consumer'))
      // What waits or is parked longer than the log keeps its message is gone.
      const { earliest } = await log.position(subscriptionFilter(consumer.settings))
      await store.loseThrough(consumer.name, Math.min(earliest, consumer.position))
    }
  }

  function failed(err: unknown): void {
    logger.warn({ err }, 'could not look at the consumers')
  }

  function sweepLater(): void {
    timer = setTimeout(() => {
      sweep()
        .catch(failed)
        .finally(() => timer !== undefined && sweepLater())
    }, sweepMs).unref()
  }

  return {
    async start() {
      await sweep().catch(failed)
      sweepLater()
    },
    stop() {
      clearTimeout(timer)
      timer = undefined
      for (const name of joins.keys()) leave(name)
    },
    join,
    leave,
  }
}
