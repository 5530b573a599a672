import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Context } from '@opentelemetry/api'
import type { Logger } from 'pino'
import type { OwnMessage, P2PEngine } from '../engine/engine.ts'
import { Draining, Overloaded, StoreUnavailable } from '../errors.ts'
import type { Seq } from '../model/cursor.ts'
import { idempotencyWindowMs, KeyTaken } from '../model/idempotency-key.ts'
import type { NewMessage } from '../model/message.ts'
import { messageId, type SignedMessage } from '../model/signed-message.ts'
import { type Judgement, unjudged } from '../model/validator.ts'
import type { Verdict } from '../model/verdict.ts'
import type { AppendEntry, AppendResult, KeyedMessages, LogStore, PublishedItem } from '../store/log-store.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { traceContext, traceShared, traceWait } from '../telemetry/tracing.ts'
import { createAuthorQuota } from './author-quota.ts'
import { type BatchQueueItem, createBatchQueue } from './batch-queue.ts'
import { createOutbound, type OutboundLimits } from './outbound.ts'
import { createOwnSeqs } from './own-seqs.ts'
import { createRefusedIds } from './refused-ids.ts'
import type { LogTail } from './tail.ts'
import type { WriteWatch } from './write-watch.ts'

/**
 * The middle of the road (docs/architecture.md): every message, ours or another's, waits here in one bounded inbox, is appended in one
 * transaction with whatever else waits, is shown to the hub, and, when it is ours, handed to the network.
 */
export interface Ingest {
  /** Takes messages in from now on, the engine's too; to be called before the engine starts. */
  start(): Promise<void>
  /**
   * Publishes messages of our own, all or none, in the order of the calls, and notes in the same transaction which idempotency key they
   * came under. `published` resolves when they are durable and were handed over; what was refused left no trace.
   * @throws Overloaded, Draining
   */
  publish(messages: OwnMessage[], by: PublishedBy): { published: Promise<PublishedItem[]> }
  /**
   * Takes in direct messages to this gateway, in one transaction; answers of each whether it was known before. Nothing was stored, and nothing
   * is answered, when they are not durable.
   */
  takeDirect(messages: NewMessage[]): Promise<Array<Pick<AppendEntry, 'known'>> | undefined>
  /**
   * Takes in messages that a peer has kept, which were verified; they are judged as those of the network are, and not forwarded. Answers what
   * became of them, or nothing when there was no room, or no database, for them: then none is stored.
   */
  takePast(messages: PastMessage[]): Promise<PastOutcome | undefined>
  /** Whether there is room for anything of this client at all. @throws Overloaded, Draining */
  checkRoom(client: string): void
  /** What waits to be appended, and how many topics have messages that nobody has been there for. */
  readonly backlog: { messages: number; bytes: number; unsentTopics: number }
  /** Refuses what comes from now on, and finishes what is there. */
  stop(): Promise<void>
}

export interface PublishedBy {
  /** `clientKey`. */
  client: string
  key?: { key: string; fingerprint: Uint8Array } | undefined
}

export interface PastMessage {
  message: SignedMessage
  /** When the first gateway on its way here received it; age time. */
  firstSeenAt: number
}

/** How many were new and stored, were there already, and were not wanted. */
export interface PastOutcome {
  stored: number
  known: number
  refused: number
}

export interface IngestLimits extends OutboundLimits {
  maxMessageBytes: number
  maxAuthorBytesPerHour: number
  maxInboxMessages: number
  maxInboxBytes: number
  maxBatchMessages: number
  clientSharePercent: number
  validateTimeoutMs: number
  maxTopicInboxBytes: number
}

export interface IngestComponents {
  engine: Pick<P2PEngine, 'peerId' | 'sign' | 'send' | 'receive' | 'subscribers' | 'listen' | 'stragglers'>
  log: Pick<LogStore, 'append' | 'position' | 'read' | 'find' | 'refuse' | 'sentThrough' | 'markSent'>
  /** Brings what was appended to those who read live. */
  tail: Pick<LogTail, 'append' | 'watchRead'>
  /** Whom messages of others have to pass first; in their order for each topic. */
  judges?: { judge(message: SignedMessage): Promise<Judgement> }
  /** Hears whether the database takes writes. */
  writes: Pick<WriteWatch, 'succeeded' | 'failed'>
  metrics: Pick<Metrics, 'published' | 'received' | 'refused' | 'waited' | 'committed' | 'handedOver'>
  logger: Logger
  /** Wall time, milliseconds since 1970. */
  now?: () => number
  /** Age time. */
  age?: () => number
  /** The same, which stands still while the clock is not trusted. */
  settledAge?: () => number
}

interface OwnItem extends BatchQueueItem {
  kind: 'own'
  own: OwnMessage[]
  key: { key: string; fingerprint: Uint8Array } | undefined
  times: Times
  /** Where it was asked for, when that is traced. */
  trace: Context | undefined
  /** By the monotonic clock. */
  enqueuedAt: number
  done: PromiseWithResolvers<PublishedItem[]>
}

/** When a message came, in wall time and in age time. */
type Times = Required<Pick<NewMessage, 'receivedAt' | 'storedAt'>>

/** `past`: the network has had it before. */
interface ForeignItem extends BatchQueueItem {
  kind: 'foreign' | 'past'
  list: NewMessage[]
  /** Of each its entry; nothing when they could not be stored. */
  done: PromiseWithResolvers<AppendEntry[] | undefined>
}

type Item = OwnItem | ForeignItem

/** Runs of own numbers that are remembered: several batches for each of other gateways within a minute. */
const maxRuns = 10_000
/** Milliseconds within which what another gateway has stored is news for the neighbours of this one; engines know repetitions for longer. */
const newsMs = 60_000
/** What may have been stored although the append failed: some batches, for as long as a database may be away. */
const maxUncertain = 10_000
const uncertainMs = 600_000

/** Turns of the event loop between two batches: a turn takes in one new connection, and a batch costs as much as many turns. */
const maxGatherTurns = 16

const acceptAll = { judge: async () => unjudged }

/** Milliseconds after which a client that met a full inbox may try again: some batches later. */
const retryAfterMs = 1_000

export function createIngest(init: { limits: IngestLimits }, components: IngestComponents): Ingest {
  const { limits } = init
  const { engine, log, tail, judges = acceptAll, writes, metrics, logger, now = Date.now, age = now, settledAge = age } = components
  const inbox = createBatchQueue<Item>(limits)
  const outbound = createOutbound({ limits }, { ...components, age, settledAge })
  const own = createOwnSeqs({ maxRuns })
  const quota = createAuthorQuota(limits, { now: age })
  const refusals = createRefusedIds({ log, logger, now: age })
  /** Ids of own messages of batches that failed, with the time: a commit may have gone through although nobody said so. */
  const uncertain = new Map<string, number>()
  let startedAt = Number.POSITIVE_INFINITY
  let running: Promise<void> | undefined
  let stopped = false

  // What is read of this gateway, and was taken for refused, is handed over now.
  tail.watchRead((messages) => {
    if (uncertain.size === 0) return
    const lost = messages.filter(({ id }) => uncertain.delete(id))
    if (lost.length === 0) return
    outbound.send(lost).catch((err: unknown) => logger.error({ err }, 'messages that were found again could not be handed over'))
  })

  const times = (): Times => ({ receivedAt: now(), storedAt: age() })

  async function work(): Promise<void> {
    for (;;) {
      const batch = await inbox.take(limits.maxBatchMessages)
      if (batch === undefined) return
      await commit(batch)
      await gather()
    }
  }

  /** Lets the sockets be read, for as long as each turn brings more, so that the next batch is everything that came in the meantime. */
  async function gather(): Promise<void> {
    for (let turn = 0; turn < maxGatherTurns; turn++) {
      const before = inbox.size
      await nextTurn()
      if (inbox.size === before || inbox.size >= limits.maxBatchMessages) return
    }
  }

  async function commit(batch: Item[]): Promise<void> {
    let messages: NewMessage[] = []
    try {
      messages = await toMessages(batch)
      const begun = performance.now()
      for (const item of batch) {
        if (item.kind !== 'own') continue
        metrics.waited((begun - item.enqueuedAt) / 1_000)
        if (item.trace !== undefined) traceWait('inbox', item.trace, begun - item.enqueuedAt)
      }
      const asked = batch.flatMap((item) => (item.kind === 'own' ? (item.trace ?? []) : []))
      const appending = () => log.append(messages, keysOf(batch, settledAge() - idempotencyWindowMs))
      const { previousTip, entries, takenKeys } = await traceShared('append', asked, messages.length, appending)
      metrics.committed(messages.length, secondsSince(begun))
      writes.succeeded()
      const added = entries.flatMap((entry) => (entry.known ? [] : entry.message))
      noteOwn(batch, entries)
      tail.append(previousTip, added)
      settleForeign(batch, entries)
      const handing = performance.now()
      const recipients = await traceShared('hand over', asked, added.length, () => outbound.send(added))
      metrics.handedOver(secondsSince(handing))
      settleOwn(batch, { entries, takenKeys }, recipients)
    } catch (error) {
      noteUncertain(messages)
      refuse(batch, error)
    }
  }

  /** What came from the network, or was made here, need not be forwarded when it comes again. */
  function noteOwn(batch: Item[], entries: AppendEntry[]): void {
    for (const { item, first } of placed(batch)) {
      if (item.kind === 'past') continue
      const added = entries.slice(first, first + item.messages).flatMap((entry) => (entry.known ? [] : entry.message.seq))
      const [lowest, highest] = [added[0], added.at(-1)]
      if (lowest !== undefined && highest !== undefined) own.add(lowest, highest)
    }
  }

  function noteUncertain(messages: NewMessage[]): void {
    for (const { id, from } of messages) if (from === engine.peerId) uncertain.set(id, age())
    for (const [id, at] of uncertain) {
      if (uncertain.size <= maxUncertain && at > age() - uncertainMs) break
      uncertain.delete(id)
    }
  }

  async function toMessages(batch: Item[]): Promise<NewMessage[]> {
    const own = batch.flatMap((item) => (item.kind === 'own' ? item.own : []))
    const signed = own.length === 0 ? [] : await engine.sign(own)
    return batch.flatMap((item) => {
      if (item.kind !== 'own') return item.list
      return signed
        .splice(0, item.messages)
        .map((message) => ({ ...message, id: messageId(message.from, message.sequence), ...item.times }))
    })
  }

  function settleForeign(batch: Item[], entries: AppendEntry[]): void {
    for (const { item, first } of placed(batch)) {
      if (item.kind !== 'own') item.done.resolve(entries.slice(first, first + item.messages))
    }
  }

  /** Known ones went to this gateway's neighbours when they came first, unless it was to another gateway of the database that they came. */
  function verdictOn({ signature }: SignedMessage, entry: AppendEntry | undefined): Verdict {
    if (entry === undefined || entry.message === undefined) return 'ignore'
    const { seq, storedAt } = entry.message
    // Another message of the same author under the same id: the first counts, and nobody has judged this one.
    if (Buffer.compare(entry.message.signature, signature) !== 0) return 'ignore'
    const isFresh = storedAt > Math.max(startedAt, age() - newsMs)
    return !entry.known || (isFresh && !own.has(seq)) ? 'accept' : 'ignore'
  }

  function settleOwn(batch: Item[], { entries, takenKeys }: Omit<AppendResult, 'previousTip'>, recipients: Map<Seq, number>): void {
    for (const { item, first } of placed(batch)) {
      if (item.kind !== 'own') continue
      if (item.key !== undefined && takenKeys.includes(item.key.key)) {
        item.done.reject(new KeyTaken('The idempotency key has published before.'))
        continue
      }
      metrics.published(item.messages)
      const stored = entries.slice(first, first + item.messages).flatMap(({ message }) => message ?? [])
      item.done.resolve(stored.map(({ id, seq, topic }) => ({ id, seq, topic, recipients: recipients.get(seq) ?? 0 })))
    }
  }

  /** Settles whoever is not settled yet. */
  function refuse(batch: Item[], error: unknown): void {
    // A state of the database is told once in a while; anything else is a fault in here.
    if (error instanceof StoreUnavailable) writes.failed(error, batch.length)
    else logger.error({ err: error, requests: batch.length }, 'a batch of messages was refused')
    for (const item of batch) {
      if (item.kind === 'own') {
        metrics.refused(item.messages)
        item.done.reject(error)
      } else {
        item.done.resolve(undefined)
      }
    }
  }

  async function accept(message: SignedMessage): Promise<Verdict> {
    const verdict = await judge(message)
    metrics.received(verdict)
    return verdict
  }

  async function judge(message: SignedMessage): Promise<Verdict> {
    const verdict = await verdictOf(message)
    if (verdict !== 'accept') return verdict
    const item = foreignItem('foreign', authorKey(message), [{ ...message, id: messageId(message.from, message.sequence), ...times() }])
    const entries = (await inbox.pushWhenFits(item)) ? await item.done.promise : undefined
    giveBack([message], entries)
    return verdictOn(message, entries?.[0])
  }

  /** What this gateway and its clients think of a message, whoever brought it. */
  async function verdictOf(message: SignedMessage): Promise<Verdict> {
    const id = messageId(message.from, message.sequence)
    if (message.data.length > limits.maxMessageBytes || refusals.has(id)) return 'ignore'
    if (!quota.take(message.from, message.topic, message.data.length)) return 'ignore'
    const { verdict, given } = await judges.judge(message)
    if (verdict === 'accept') return verdict
    if (given) refusals.add(id)
    // It may come again, and be judged then.
    else giveBack([message], undefined)
    return verdict
  }

  /** What was not new costs its author nothing. */
  function giveBack(messages: SignedMessage[], entries: AppendEntry[] | undefined): void {
    for (const [index, { from, topic, data }] of messages.entries()) {
      if (entries?.[index]?.known !== false) quota.giveBack(from, topic, data.length)
    }
  }

  async function takePast(past: PastMessage[]): Promise<PastOutcome | undefined> {
    const verdicts = await Promise.all(past.map(({ message }) => verdictOf(message)))
    const at = times()
    const wanted = past
      .filter((_, index) => verdicts[index] === 'accept')
      .map(({ message, firstSeenAt }) => ({ ...message, id: messageId(message.from, message.sequence), ...at, firstSeenAt }))
    const refused = past.length - wanted.length
    if (wanted.length === 0) return { stored: 0, known: 0, refused }
    if (!fits(historyKey, wanted.length, sizeOf(wanted))) {
      giveBack(wanted, undefined)
      return undefined
    }
    const entries = await store('past', historyKey, wanted)
    giveBack(wanted, entries)
    if (entries === undefined) return undefined
    const stored = entries.filter(({ known }) => !known).length
    return { stored, known: entries.length - stored, refused }
  }

  /** Whether there is room for what comes from the network. */
  function fits(holder: string, messages: number, bytes: number): boolean {
    return !stopped && inbox.fits({ holder, isForeign: true, messages, bytes })
  }

  /** Puts messages of others into the inbox, at once and together. */
  function store(kind: ForeignItem['kind'], holder: string, list: NewMessage[]): Promise<AppendEntry[] | undefined> {
    const item = foreignItem(kind, holder, list)
    inbox.push(item)
    return item.done.promise
  }

  function checkRoom(client: string, messages: number, bytes: number): void {
    if (stopped) throw new Draining('This gateway is shutting down; publish again in a moment.', { retryAfterMs })
    if (inbox.fits({ holder: client, isForeign: false, messages, bytes })) return
    throw new Overloaded('Too many messages, or too many of this client, are waiting to be stored.', { retryAfterMs })
  }

  return {
    async start() {
      startedAt = age()
      await outbound.start()
      engine.receive({ onMessage: accept, room: (from) => inbox.room(authorKey({ from })) })
      running = work()
    },
    async takeDirect(messages) {
      const [first] = messages
      if (first === undefined) return []
      const from = authorKey(first)
      if (!fits(from, messages.length, sizeOf(messages))) return undefined
      return await store('foreign', from, messages)
    },
    takePast,
    checkRoom: (client) => checkRoom(client, 1, 1),
    publish(own, { client, key }) {
      const bytes = sizeOf(own)
      checkRoom(client, own.length, bytes)
      const done = Promise.withResolvers<PublishedItem[]>()
      inbox.push({
        kind: 'own',
        own,
        key,
        trace: traceContext(),
        times: times(),
        enqueuedAt: performance.now(),
        done,
        holder: client,
        isForeign: false,
        messages: own.length,
        bytes,
      })
      return { published: done.promise }
    },
    get backlog() {
      return { messages: inbox.size, bytes: inbox.bytes, unsentTopics: outbound.waiting }
    },
    async stop() {
      stopped = true
      inbox.close()
      await running
      await outbound.stop()
      await refusals.stop()
    },
  }
}

function foreignItem(kind: ForeignItem['kind'], holder: string, list: NewMessage[]): ForeignItem {
  return { kind, list, done: Promise.withResolvers(), holder, isForeign: true, messages: list.length, bytes: sizeOf(list) }
}

/** Who holds the room that a message of the network takes: its author, whoever brought it. */
function authorKey({ from }: { from: string }): string {
  return `author ${from}`
}

/** And that of all that is fetched from peers: it waits for them. */
const historyKey = 'history'

/** The items of a batch, each with the index of its first message. */
function placed(batch: Item[]): Array<{ item: Item; first: number }> {
  let first = 0
  return batch.map((item) => {
    const place = { item, first }
    first += item.messages
    return place
  })
}

function sizeOf(messages: Array<{ data: Uint8Array }>): number {
  return messages.reduce((sum, { data }) => sum + data.length, 0)
}

/** @param since keys that were noted before may publish again */
function keysOf(batch: Item[], since: number): KeyedMessages[] {
  return placed(batch).flatMap(({ item, first }) =>
    item.kind === 'own' && item.key !== undefined
      ? { ...item.key, first, count: item.messages, createdAt: item.times.storedAt, since }
      : [],
  )
}

function secondsSince(start: number): number {
  return (performance.now() - start) / 1_000
}
