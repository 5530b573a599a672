import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import { createClientShares } from '../access/client-shares.ts'
import type { Ages } from '../clock/ages.ts'
import { ConsumerExists, ConsumerLimit, ConsumerNotFound, Overloaded, ParametersConflict } from '../errors.ts'
import { createDeadline } from '../lib/deadline.ts'
import { createSerial } from '../lib/serial.ts'
import type { Limits } from '../limits.ts'
import type { History, PageOptions } from '../log/history.ts'
import type { Hub } from '../log/hub.ts'
import type { Payer } from '../log/positions.ts'
import type { ConsumerStateView } from '../model/consumer.ts'
import type { Seq } from '../model/cursor.ts'
import type { StoredMessage } from '../model/message.ts'
import { subscriptionFilter } from '../model/topic.ts'
import type { ConsumerItem, ConsumerRecord, ConsumerSettings } from '../store/consumer-store.ts'
import type { Store } from '../store/store.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { Topics } from '../topics/topics.ts'
import { createConsumerJoins } from './consumer-joins.ts'
import { createDispatcher, type Dispatcher } from './dispatcher.ts'
import { createPendingCount } from './pending.ts'
import { createSettlements, type Settlement, type Settlements, verdictsOf } from './settlements.ts'
import type { HandedOut, Work, Worker } from './workers.ts'

/**
 * Consumers: positions in the log that workers share, at any gateway of the database. Each message of a consumer's
 * topics is with one worker at a time; one that is not acknowledged goes to another. At least once: an acknowledgement
 * that was answered is durable, and after any crash each message is settled, parked, or still to be handed out.
 */
export interface Consumers {
  /** Gives back what workers of an earlier run had. */
  start(): Promise<void>
  stop(): Promise<void>
  /**
   * Creates a consumer. One of the same name and settings stays as it is, whatever `after` says.
   * @throws ParametersConflict when it selects nothing
   * @throws ConsumerExists when it has other settings
   * @throws ConsumerLimit, TopicLimit, and what `History.resolve` throws
   */
  create(consumer: NewConsumer): Promise<{ consumer: ConsumerRecord; created: boolean }>
  list(): Promise<ConsumerRecord[]>
  /** @throws ConsumerNotFound */
  get(name: string): Promise<ConsumerRecord>
  /**
   * A consumer that is worked on here, without a look into the database: its topics are right; it may be gone, and what
   * `configure` changes may have changed.
   */
  known(name: string): ConsumerRecord | undefined
  /** The epoch of the log, for cursors. */
  readonly epoch: string
  /**
   * What the consumer has to do, and the workers here. Rows that are counted are paid as by pages of messages.
   * @throws Overloaded when too many others wait for such an answer, in all or of this client, and RateLimited
   */
  state(consumer: ConsumerRecord, options: PageOptions): Promise<ConsumerWork>
  /** @throws ConsumerNotFound */
  configure(name: string, change: Partial<ConsumerSettings>): Promise<ConsumerRecord>
  /** Removes the consumer; its workers end. False when there was none. */
  remove(name: string): Promise<boolean>
  /** Hands out messages to a worker until it ends its work. */
  work(consumer: ConsumerRecord, worker: Worker): Work
  /**
   * Waits up to `waitMs` milliseconds for messages, and returns at most `limit`. They stay with the caller for
   * `ackWaitMs`. @throws Overloaded when too many requests wait, in all or of this client
   */
  pull(consumer: ConsumerRecord, query: PullQuery): Promise<HandedOut[]>
  /**
   * Settles messages; returns the ids and claims by which that was done. It is durable then.
   * @throws ParametersConflict when they are not named as the verdict needs it
   * @throws ConsumerNotFound when this consumer is gone, also if there is another one of its name; StoreUnavailable
   */
  settle(consumer: ConsumerRecord, settlement: Settlement): Promise<ReadonlySet<string>>
  /** A page of parked messages after the seq, in order; `next` is where to continue, undefined on the last page. */
  parked(consumer: ConsumerRecord, query: { after: Seq; limit: number }): Promise<{ items: ParkedMessage[]; next: Seq | undefined }>
  /** Hands parked messages out again, from their first attempt: these, or all; returns how many. */
  replay(consumer: ConsumerRecord, ids?: string[]): Promise<number>
}

export interface NewConsumer {
  name: string
  /** Who creates it (`clientKey`). */
  client: string
  settings: ConsumerSettings
  /** Where it begins: a cursor, `earliest` or `latest`. */
  after: string
  /** Pays for finding that position. */
  by?: Payer | undefined
}

export interface ConsumerWork
  extends Pick<ConsumerStateView, 'unacked' | 'waiting' | 'parked' | 'pending' | 'isPendingExact' | 'workers' | 'traffic'> {}

export interface ParkedMessage extends ConsumerItem {
  /** Undefined when it is no longer in the log. */
  message: StoredMessage | undefined
}

export interface PullQuery {
  limit: number
  waitMs: number
  client: string
  signal: AbortSignal
}

export type ConsumersLimits = Pick<Limits, 'maxConsumers' | 'maxPulls' | 'maxReadBytes' | 'maxSocketBufferBytes' | 'clientSharePercent'>

export interface ConsumersComponents {
  store: Pick<Store, 'consumers' | 'log'>
  hub: Hub
  history: Pick<History, 'resolve'>
  topics: Pick<Topics, 'use'>
  metrics: Pick<Metrics, 'handedOut' | 'settled'>
  peerId: string
  logger: Logger
  clock: Ages
  /** Milliseconds since 1970. */
  now(): number
}

const retryAfterMs = 5_000
/** Milliseconds after which a request that does not wait gives up a database that does not answer. */
const roundMs = 10_000
interface Open {
  consumer: ConsumerRecord
  dispatcher: Dispatcher
  settlements: Settlements
  /** Messages that were acknowledged or dropped here. */
  settled: number
}

function noSuchConsumer(): ConsumerNotFound {
  return new ConsumerNotFound('There is no consumer of this name.')
}

export function createConsumers(init: { limits: ConsumersLimits }, components: ConsumersComponents): Consumers {
  const { limits } = init
  const { store, hub, history, topics, metrics, peerId, logger, clock, now } = components
  const open = new Map<string, Open>()
  const joins = createConsumerJoins({ store: store.consumers, log: store.log, topics, logger, now, onNames: closeOthers })
  /** Consumers are counted before one is created. */
  const inTurn = createSerial()
  const pulls = createClientShares({ max: limits.maxPulls, limits })
  const pendingOf = createPendingCount({ limits }, { log: store.log, hub })

  /** What works for a consumer here. One that was removed and made again is another. */
  function openOf(consumer: ConsumerRecord): Open {
    const there = open.get(consumer.name)
    // A request may still have the record of the one before.
    if (there !== undefined && there.consumer.createdAt >= consumer.createdAt) return there
    there?.dispatcher.end()
    const settlements = createSettlements(consumer, { store: store.consumers })
    const parts = { ...components, store: store.consumers, log: store.log, age: clock.age, settling: settlements.current }
    const dispatcher = createDispatcher({ consumer, peerId, maxBytes: limits.maxSocketBufferBytes }, parts)
    const opened = { consumer, dispatcher, settlements, settled: 0 }
    open.set(consumer.name, opened)
    return opened
  }

  function close(opened: Open): void {
    const { name } = opened.consumer
    if (open.get(name) === opened) open.delete(name)
    opened.dispatcher.end()
  }

  /** Closes what is open for consumers that other gateways have removed. */
  function closeOthers(names: ReadonlySet<string>, since: number): void {
    for (const opened of open.values()) if (!names.has(opened.consumer.name) && opened.consumer.createdAt < since) close(opened)
  }

  async function get(name: string): Promise<ConsumerRecord> {
    const found = await store.consumers.get(name)
    if (found === undefined) throw noSuchConsumer()
    return found
  }

  async function checkRoom(client: string): Promise<void> {
    const shares = createClientShares({ max: limits.maxConsumers, limits })
    for (const each of await store.consumers.list()) shares.hold(each.client, 1)
    if (shares.refusal(client) !== undefined)
      throw new ConsumerLimit(`At most ${limits.maxConsumers} consumers are possible, and a client may have its share of them.`)
  }

  async function configure(name: string, change: Partial<ConsumerSettings>): Promise<ConsumerRecord> {
    const found = await get(name)
    const settings = { ...found.settings, ...change }
    // Another client has changed it meanwhile.
    if (!(await store.consumers.configure(found, settings))) return await configure(name, change)
    open.get(name)?.dispatcher.wake()
    return { ...found, settings }
  }

  async function create({ name, client, settings, after, by }: NewConsumer): Promise<{ consumer: ConsumerRecord; created: boolean }> {
    if (settings.topics.length === 0 && !settings.direct)
      throw new ParametersConflict('A consumer needs at least one topic or pattern in "topics", or "direct".')
    const there = await store.consumers.get(name)
    if (there === undefined) await checkRoom(client)
    const start = there ?? (await history.resolve(after, subscriptionFilter(settings), by))
    const [position, prunedSince] = 'seq' in start ? [start.seq, start.pruneCount] : [start.position, start.prunedSince]
    const record = { name, client, settings, createdAt: now(), position, prunedSince, gaps: 0, lastGap: null }
    if (there === undefined) await joins.join(record)
    const made = await store.consumers.create(record)
    if (!made.created && !isDeepStrictEqual(made.consumer.settings, settings))
      throw new ConsumerExists('There is a consumer of this name with other settings. PATCH changes what can be changed.')
    return made
  }

  return {
    async start() {
      // A database that takes no writes is no reason not to start: what workers had comes again when its time is over.
      await store.consumers
        .disown({ by: peerId, now: clock.age() })
        .catch((err: unknown) => logger.warn({ err }, 'could not give back what workers of the run before had'))
      await joins.start()
    },
    async stop() {
      joins.stop()
      await Promise.all(Array.from(open.values(), ({ dispatcher }) => dispatcher.stop()))
      open.clear()
    },
    create: (consumer) => inTurn(() => create(consumer)),
    list: () => store.consumers.list(),
    get,
    known: (name) => open.get(name)?.consumer,
    get epoch() {
      return hub.epoch
    },
    async state(consumer, options) {
      const { name } = consumer
      const { waiting, claimed: unacked, parked } = await store.consumers.count({ name, now: clock.age() })
      const { dispatcher, settled = 0 } = open.get(name) ?? {}
      const { workers = 0, delivered = 0 } = dispatcher ?? {}
      return { unacked, waiting, parked, ...(await pendingOf(consumer, options)), workers, traffic: { delivered, settled } }
    },
    configure,
    async remove(name) {
      const removed = await store.consumers.remove(name)
      const opened = open.get(name)
      if (opened !== undefined) close(opened)
      joins.leave(name)
      return removed
    },
    work: (consumer, worker) => openOf(consumer).dispatcher.attach(worker),
    async pull(consumer, { limit, waitMs, client, signal }) {
      using place = pulls.take(client)
      if (place === undefined)
        throw new Overloaded('Too many requests wait for messages of consumers, in all or from this client.', { retryAfterMs })
      const { dispatcher } = openOf(consumer)
      const answer = Promise.withResolvers<HandedOut[]>()
      const giveUp = () => answer.resolve([])
      const taking = dispatcher.attach({ room: limit, once: true, take: answer.resolve, ended: answer.reject })
      using deadline = createDeadline(waitMs === 0 ? roundMs : waitMs, [signal])
      deadline.signal.addEventListener('abort', giveUp)
      if (signal.aborted) giveUp()
      else if (waitMs === 0) void dispatcher.tried().then(giveUp)
      return await answer.promise.finally(() => taking.end())
    },
    async settle(consumer, settlement) {
      const opened = openOf(consumer)
      const { dispatcher } = opened
      const verdicts = verdictsOf(settlement, consumer.settings, clock.age())
      const results = await opened.settlements.settle([...verdicts.values()])
      if (results === undefined) {
        close(opened)
        throw noSuchConsumer()
      }
      const settled = [...verdicts].filter((_each, index) => results[index])
      metrics.settled(settlement.verdict, settled.length)
      if (settlement.verdict === 'ack' || settlement.verdict === 'drop') opened.settled += settled.length
      for (const [, item] of settled) if (item.verdict === 'progress') dispatcher.extended(item, item.dueAt)
      if (settlement.verdict !== 'progress') dispatcher.settled(settled.map(([, item]) => item))
      return new Set(settled.map(([name]) => name))
    },
    async parked({ name }, { after, limit }) {
      const items = await store.consumers.parked({ name, after, limit })
      const ids = items.map(({ id }) => id)
      const messages = ids.length === 0 ? [] : await store.log.find(ids, limits.maxReadBytes)
      const bytes = messages.reduce((sum, { data }) => sum + data.length, 0)
      // What did not fit is for the next page.
      const last = bytes < limits.maxReadBytes ? undefined : messages.at(-1)?.seq
      const page = items.filter(({ seq }) => last === undefined || seq <= last)
      const isLast = page.length === items.length && items.length < limit
      return {
        items: page.map((item) => ({ ...item, message: messages.find(({ id }) => id === item.id) })),
        next: isLast ? undefined : page.at(-1)?.seq,
      }
    },
    async replay(consumer, ids) {
      const replayed = await store.consumers.replay({ name: consumer.name, ids })
      openOf(consumer).dispatcher.wake()
      return replayed
    },
  }
}
