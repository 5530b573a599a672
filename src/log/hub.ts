import { setImmediate as nextTurn } from 'node:timers/promises'
import { createClientShares } from '../access/client-shares.ts'
import { omitUndefined } from '../lib/omit-undefined.ts'
import { createSemaphore } from '../lib/semaphore.ts'
import type { Limits } from '../limits.ts'
import type { Seq } from '../model/cursor.ts'
import type { StoredMessage } from '../model/message.ts'
import { matchesTopic, type TopicFilter } from '../model/topic.ts'
import { createEntry, type Entry } from './entry.ts'
import { createFollowers } from './followers.ts'
import { createRing } from './ring.ts'
import { createTopicTraffic, type TopicTrafficCounter } from './topic-traffic.ts'

/**
 * The reading end of the log for live readers: recent messages come from memory, older ones from the store, through the
 * same call. The hub keeps no queue per reader; a reader is just a position.
 */
export interface Hub {
  /** Starts at the log's tip; earlier messages are left to the store. */
  start(): Promise<void>
  stop(): Promise<void>
  readonly epoch: string
  readonly tip: Seq
  /**
   * Takes in a durably appended batch, in order, and wakes the followers that it concerns. `previousTip` is the log's
   * tip before the batch. When the hub has not seen everything up to it (another gateway appended in between), it
   * clears its memory, so that readers fetch what is missing from the store.
   */
  append(previousTip: Seq, messages: StoredMessage[]): void
  /**
   * Entries after a position, oldest first. `scanned` is the position up to which every match was returned; reading
   * continues from there and has reached the log's tip when `scanned` equals `tip`. One call returns about `maxBytes`
   * of data at most, but at least one entry. A promise only when the store is read, which happens for a few readers at
   * a time; clients (`clientKey`) share these places. At most `limit` entries are returned. `prunes` names what was pruned after the position since a step of
   * pruning, `removed` what was found damaged or was deleted in the store.
   */
  read(after: Seq, filter: TopicFilter, maxBytes: number, prunedSince?: number, client?: string, limit?: number): HubStep | Promise<HubStep>
  /** Clears the memory: readers fetch from the store, which reports what was removed. */
  forget(): void
  /** Notes that a message was deleted: it is no longer read. */
  delete(seq: Seq): void
  /** Notes that messages of a topic were pruned: they are no longer read. */
  prune(topic: string, pruned: { through: Seq; pruneCount: number }): void
  /** Size of the recent messages in memory; `bytes` counts their data. */
  readonly ring: { messages: number; bytes: number }
  /** What is counted of topics: the hub counts what comes into the log. */
  readonly traffic: TopicTrafficCounter
  /** Calls `wake` after each append that holds a message for the filter. Returns a function that stops it. */
  follow(filter: TopicFilter, wake: (first: Seq) => void): () => void
}

export interface HubStep {
  entries: Entry[]
  scanned: Seq
  prunes?: Prunes
  removed?: Removed[]
}

/** A message that was taken out of the log by itself; `topic` is undefined when it may belong to any topic. */
export interface Removed {
  seq: Seq
  topic: string | undefined
  reason: 'damaged' | 'deleted'
}

/**
 * Topics with pruned messages. `through` is the seq of the newest one; `topic` is undefined for topics that the store
 * has forgotten. `count` is the newest known step of pruning.
 */
export interface Prunes {
  count: number
  topics: Array<{ topic: string | undefined; through: Seq }>
}

export type HubLimits = Pick<Limits, 'maxRingMessages' | 'maxRingBytes' | 'maxReadMessages' | 'clientSharePercent'>

/**
 * Maximum store reads at a time for subscribers that are behind. SQLite runs one read while nothing else runs, so this
 * is also the number of reads between two turns of the event loop, however many subscribers there are and however
 * little of the log matches them.
 */
const maxReading = 4

/** What the hub needs of the store. */
export interface HubLog {
  position(): Promise<{ epoch: string; tip: Seq }>
  read(query: {
    after: Seq
    through: Seq
    order: 'asc'
    limit: number
    maxBytes: number
    topics: TopicFilter
    prunedSince: number
  }): Promise<{ messages: StoredMessage[]; scanned: Seq; prunes?: Prunes; removed?: Removed[] }>
}

/** Comparisons of messages in memory with topics and patterns that one read makes, before other readers have their turn. */
const maxComparisons = 20_000
/**
 * Those with patterns that the reads of one client make in a turn of the event loop, about 15 ms. Further ones wait for the
 * next turn. Comparing topics costs little beside the delivery that follows.
 */
const maxComparisonsOfTurn = 100_000

interface Reading {
  after: Seq
  filter: TopicFilter
  maxBytes: number
  prunedSince: number
  limit: number
}

export function createHub(init: { limits: HubLimits }, components: { log: HubLog }): Hub {
  const { limits } = init
  const { log } = components
  const traffic = createTopicTraffic()
  const ring = createRing<Entry>(limits, 0)
  const reading = createSemaphore({
    max: maxReading,
    // A connection reads one step at a time, and connections are bounded.
    maxWaiting: Number.MAX_SAFE_INTEGER,
    shares: (max) => createClientShares({ max, limits }),
  })
  const never = new AbortController().signal
  const followers = createFollowers()
  /** Pruned messages of the ring, by topic. */
  const pruned = new Map<string, { through: Seq; pruneCount: number }>()
  /** Deleted messages that have not been appended here yet: the store's answer and another gateway's notice overlap. */
  const deletedAhead = new Set<Seq>()
  /** For each read of the store in progress, the messages that were deleted since it began. */
  const deletedMeanwhile = new Set<Set<Seq>>()
  /** Comparisons with patterns in this turn of the event loop, by client. */
  const compared = new Map<string, number>()
  let forgotten = 0
  let epoch = ''

  function count(client: string, comparisons: number): void {
    if (comparisons === 0) return
    if (compared.size === 0) setImmediate(() => compared.clear())
    compared.set(client, (compared.get(client) ?? 0) + comparisons)
  }

  /** The read in a later turn of the event loop, when the client has comparisons again. */
  async function readLater(query: Reading, client: string): Promise<HubStep> {
    while ((compared.get(client) ?? 0) >= maxComparisonsOfTurn) await nextTurn()
    return await readFrom(query, client)
  }

  function readFrom(query: Reading, client: string): HubStep | Promise<HubStep> {
    if (query.after < ring.floor) return readStore(query, client)
    return (compared.get(client) ?? 0) < maxComparisonsOfTurn ? readRing(query, client) : readLater(query, client)
  }

  function readRing({ after, filter, maxBytes, prunedSince, limit }: Reading, client: string): HubStep {
    const entries: Entry[] = []
    const prunes = pruned.size === 0 ? {} : { prunes: prunesInRing(after, filter, prunedSince) }
    let bytes = 0
    const price = 1 + filter.patterns.length
    const most = Math.ceil(maxComparisons / price)
    // A reader that another gateway served before may be ahead of this one.
    let [left, end] = [most, Math.max(after, ring.tip)]
    for (const entry of ring.after(after)) {
      const { topic, seq, data } = entry.message
      if (matchesTopic(filter, topic) && !isPruned(entry.message)) {
        bytes += data.length
        entries.push(entry)
      }
      if (entries.length < limit && bytes < maxBytes && --left > 0) continue
      end = seq
      break
    }
    count(client, filter.patterns.length * (most - left))
    return { entries, scanned: end, ...prunes }
  }

  function isPruned({ topic, seq }: StoredMessage): boolean {
    return pruned.size > 0 && seq <= (pruned.get(topic)?.through ?? 0)
  }

  function prunesInRing(after: Seq, filter: TopicFilter, prunedSince: number): Prunes {
    const news = [...pruned].filter(
      ([topic, { through, pruneCount }]) => pruneCount > prunedSince && through > after && matchesTopic(filter, topic),
    )
    return {
      count: Math.max(prunedSince, ...news.map(([, { pruneCount }]) => pruneCount)),
      topics: news.map(([topic, { through }]) => ({ topic, through })),
    }
  }

  async function readStore(query: Reading, client: string): Promise<HubStep> {
    const place = await reading.take(never, client)
    try {
      return await readLog(query)
    } finally {
      setImmediate(() => place?.[Symbol.dispose]())
    }
  }

  async function readLog(query: Reading): Promise<HubStep> {
    const deleted = new Set<Seq>()
    deletedMeanwhile.add(deleted)
    const before = forgotten
    const step = await readStep(query).finally(() => deletedMeanwhile.delete(deleted))
    // Which messages were deleted is not known.
    if (before !== forgotten) return await readLog(query)
    return deleted.size === 0 ? step : withoutDeleted(step, deleted)
  }

  async function readStep({ after, filter, maxBytes, prunedSince, limit }: Reading): Promise<HubStep> {
    const { messages, scanned, prunes, removed } = await log.read({
      after,
      through: ring.floor,
      order: 'asc',
      limit,
      maxBytes,
      topics: filter,
      prunedSince,
    })
    return { entries: messages.map((message) => createEntry(message, epoch)), scanned, ...omitUndefined({ prunes, removed }) }
  }

  return {
    async start() {
      const end = await log.position()
      epoch = end.epoch
      ring.reset(end.tip)
      deletedAhead.clear()
    },
    async stop() {
      followers.clear()
    },
    get epoch() {
      return epoch
    },
    get tip() {
      return ring.tip
    },
    get ring() {
      return { messages: ring.size, bytes: ring.bytes }
    },
    traffic,
    append(previousTip, messages) {
      const missed = previousTip === ring.tip ? undefined : ring.tip + 1
      if (missed !== undefined) ring.reset(previousTip)
      for (const message of messages) {
        traffic.stored(message.topic)
        ring.push(createEntry(message, epoch))
      }
      for (const seq of deletedAhead) {
        if (seq > ring.tip) continue
        deletedAhead.delete(seq)
        ring.reset(ring.tip)
      }
      if (missed === undefined) followers.wake(messages)
      else followers.wakeAll(missed)
    },
    read(after, filter, maxBytes, prunedSince = 0, client = '', max = limits.maxReadMessages) {
      const query = { after, filter, maxBytes, prunedSince, limit: Math.min(max, limits.maxReadMessages) }
      return readFrom(query, client)
    },
    forget() {
      forgotten++
      ring.reset(ring.tip)
    },
    delete(seq) {
      for (const deleted of deletedMeanwhile) deleted.add(seq)
      if (seq > ring.tip) deletedAhead.add(seq)
      else if (seq > ring.floor) ring.reset(ring.tip)
    },
    prune(topic, { through, pruneCount }) {
      for (const [other, { through: last }] of pruned) if (last <= ring.floor) pruned.delete(other)
      if (through > ring.floor) pruned.set(topic, { through, pruneCount })
    },
    follow: followers.add,
  }
}

/** The step, with messages reported as deleted that it still has. */
function withoutDeleted({ entries, ...step }: HubStep, deleted: ReadonlySet<Seq>): HubStep {
  const gone = entries
    .filter(({ message: { seq } }) => deleted.has(seq))
    .map(({ message: { seq, topic } }): Removed => ({ seq, topic, reason: 'deleted' }))
  const removed = [...(step.removed ?? []), ...gone].toSorted((one, other) => one.seq - other.seq)
  return { ...step, entries: entries.filter(({ message: { seq } }) => !deleted.has(seq)), ...(removed.length === 0 ? {} : { removed }) }
}
