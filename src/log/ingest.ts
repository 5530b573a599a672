import type { Logger } from 'pino'
import type { NetworkKind, OwnMessage, P2PEngine } from '../engine/engine.ts'
import { Draining, Overloaded } from '../errors.ts'
import type { Limits } from '../limits.ts'
import type { Seq } from '../model/cursor.ts'
import type { NewMessage, StoredMessage } from '../model/message.ts'
import type { Published } from '../model/published.ts'
import { messageId, type SignedMessage } from '../model/signed-message.ts'
import type { Verdict } from '../model/verdict.ts'
import type { AppendEntry } from '../store/log-append.ts'
import type { LogStore } from '../store/log-store.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { traceContext } from '../telemetry/tracing.ts'
import { type Admission, type AdmissionComponents, createAdmission } from './admission.ts'
import { createAppender } from './appender.ts'
import { type AuthorOrder, type AuthorOrderLimits, createAuthorOrder } from './author-order.ts'
import { authorKey, type ForeignItem, foreignItem, historyKey, type Item, sizeOf, type Times } from './batch.ts'
import { createBatchQueue } from './batch-queue.ts'
import type { OutboundLimits } from './network-outbound.ts'
import { createOutbound, type Outbound, type OutboundComponents } from './outbound.ts'
import { createOwnSeqs } from './own-seqs.ts'
import { createPastIntake, type PastIntake } from './past-intake.ts'
import type { LogTail } from './tail.ts'
import type { TopicTrafficCounter } from './topic-traffic.ts'
import { createUncertain } from './uncertain.ts'
import type { WriteWatch } from './write-watch.ts'

/**
 * The middle of the road (docs/architecture.md). Every message, own or remote, waits in one bounded inbox, is appended
 * together with other waiting messages in one transaction, is shown to the hub and, when it is ours, is handed to the
 * network.
 */
export interface Ingest {
  /** Starts taking messages in, the engine's too. Call it before the engine starts. */
  start(): Promise<void>
  /**
   * Publishes messages of this node, all or none, in the order of the calls, and notes their idempotency key in the
   * same transaction. `published` resolves when they are durable and were handed over; refused messages leave no trace.
   * @throws Overloaded, Draining
   */
  publish(messages: OwnMessage[], by: PublishedBy): { published: Promise<Published[]> }
  /**
   * Takes in direct messages to this gateway, in one transaction. Returns for each whether it was known before;
   * undefined when they could not be made durable, and then none is stored.
   */
  takeDirect(messages: NewMessage[]): Promise<Array<Pick<AppendEntry, 'known'>> | undefined>
  takePast: PastIntake['take']
  /** Messages that need not be fetched: they were let in, and wait to be stored. `takePast` takes them as they are. */
  letIn: Admission['letIn']
  /** What catch-up knows of messages that are missing. */
  readonly order: Pick<AuthorOrder, 'fetching' | 'missed' | 'holdLive' | 'holdPast'>
  /** Checks that there is any room for this client. @throws Overloaded, Draining */
  checkRoom(client: string): void
  /** Messages that wait to be appended, and the number of topics with messages that no subscriber was there for. */
  readonly backlog: { messages: number; bytes: number; unsentTopics: number }
  readonly networks: Outbound['networks']
  /** Resolves when no message waits for others of its author, or after this many milliseconds. */
  settle(maxMs: number): Promise<void>
  /** Messages wait for no others of their author any longer. Call it once the engine brings none. */
  letGo(): void
  /** Refuses new messages, and finishes those that are being taken in or are in the inbox. */
  stop(): Promise<void>
}

export interface PublishedBy {
  /** `clientKey`. */
  client: string
  key?: { key: string; fingerprint: Uint8Array } | undefined
  /** Called with the messages' first and last seq once they are in the log, before a subscription is shown them. */
  stored?: ((first: Seq, last: Seq) => void) | undefined
}

export type IngestLimits = OutboundLimits &
  AuthorOrderLimits &
  Pick<
    Limits,
    | 'maxMessageBytes'
    | 'maxAuthorBytesPerHour'
    | 'maxInboxMessages'
    | 'maxInboxBytes'
    | 'maxBatchMessages'
    | 'clientSharePercent'
    | 'validateTimeoutMs'
    | 'maxTopicInboxBytes'
  >

export interface IngestComponents {
  engine: Pick<P2PEngine, 'peerId' | 'sign' | 'receive' | 'listen'> & OutboundComponents['engine']
  log: Pick<LogStore, 'append' | 'unknown' | 'position' | 'read' | 'find' | 'refuse' | 'sentThrough' | 'markSent'>
  /** Shows appended messages to live readers. */
  tail: Pick<LogTail, 'append' | 'watchRead'>
  traffic: Pick<TopicTrafficCounter, 'sent'>
  /** See `AdmissionComponents`. */
  judges?: AdmissionComponents['judges']
  /** Is told whether the database accepts writes. */
  writes: Pick<WriteWatch, 'succeeded' | 'failed'>
  metrics: Pick<Metrics, 'published' | 'received' | 'refused' | 'waited' | 'committed' | 'handedOver'>
  logger: Logger
  /** Wall time, milliseconds since 1970. */
  now?: () => number
  /** Age time. */
  age?: () => number
  /** Age time, which stands still while the clock is not trusted. */
  settledAge?: () => number
}

/** Maximum number of remembered runs of own seqs: several batches for each of the other gateways within a minute. */
const maxRuns = 10_000
/**
 * Milliseconds during which a message that another gateway stored is forwarded to this one's neighbours. Engines, and
 * gossipsub everywhere, remember duplicates for longer.
 */
const newsMs = 60_000
/** Milliseconds after which a client may retry when the inbox was full: a few batches later. */
const retryAfterMs = 1_000

export function createIngest(init: { limits: IngestLimits }, components: IngestComponents): Ingest {
  const { limits } = init
  const { engine, log, tail, metrics, logger, now = Date.now, age = now, settledAge = age } = components
  const inbox = createBatchQueue<Item>(limits)
  const outbound = createOutbound({ limits }, { ...components, age, settledAge })
  const appended = createOwnSeqs({ maxRuns })
  const own = createOwnSeqs({ maxRuns })
  const uncertain = createUncertain({ now: age })
  const order = createAuthorOrder({ limits }, { log })
  const admission = createAdmission({ limits }, { log, judges: components.judges, logger, age })
  const appender = createAppender({ limits }, { ...components, queue: inbox, outbound, appended, own, uncertain, settledAge })
  const past = createPastIntake({
    admission,
    order,
    fits: (messages) => fits(historyKey, messages.length, sizeOf(messages)),
    store: (messages) => store('past', historyKey, messages),
    onTaken(messages, networks) {
      if (engine.bridge === undefined) return
      // A peer may have brought newer ones from another network, and not forwarded them in this one.
      const older = messages.filter(({ firstSeenAt = 0 }) => firstSeenAt < age() - newsMs)
      for (const { id } of older) for (const network of networks) outbound.cameFrom(id, network)
    },
    times,
  })
  /** Takes of remote messages that have not ended. */
  const taking = new Set<Promise<unknown>>()
  let startedAt = Number.POSITIVE_INFINITY
  let running: Promise<void> | undefined
  let unlisten: (() => void) | undefined
  let stopped = false

  tail.watchRead((messages) => {
    order.settled(idsOf(messages))
    // A batch that seemed to fail was committed after all: hand its messages over now.
    const lost = uncertain.found(messages)
    if (lost.length === 0) return
    outbound.send(lost).catch((err: unknown) => logger.error({ err }, 'could not hand over messages that turned out to be stored'))
  })

  function times(): Times {
    return { receivedAt: now(), storedAt: age() }
  }

  /**
   * A known message already went to this gateway's neighbours when it first arrived, unless it arrived at another
   * gateway of the database. Copies that come at once are all new: two networks of a bridge forward their own each.
   */
  function verdictOn({ signature }: SignedMessage, entry: AppendEntry | undefined, isNew: boolean): Verdict {
    if (entry === undefined || entry.message === undefined) return 'ignore'
    const { seq, storedAt } = entry.message
    // A different message of the same author under the same id: the first one counts, and no validator has judged this
    // one.
    if (Buffer.compare(entry.message.signature, signature) !== 0) return 'ignore'
    const isFresh = storedAt >= Math.max(startedAt, age() - newsMs)
    return isNew || (isFresh && !own.has(seq)) ? 'accept' : 'ignore'
  }

  /** Runs a take of remote messages, which `stop` waits for. */
  async function counted<Result>(take: Promise<Result>): Promise<Result> {
    taking.add(take)
    try {
      return await take
    } finally {
      taking.delete(take)
    }
  }

  async function receive(message: SignedMessage, network?: NetworkKind): Promise<Verdict> {
    if (stopped) return 'ignore'
    const verdict = await counted(take(message, network)).finally(() => order.settled([messageId(message.from, message.sequence)]))
    metrics.received(verdict)
    return verdict
  }

  async function take(message: SignedMessage, network?: NetworkKind): Promise<Verdict> {
    const id = messageId(message.from, message.sequence)
    const since = order.now()
    const judged = await admission.judge(message)
    if (judged !== 'accept') return judged
    await order.turn(message, since)
    const from = engine.bridge === undefined ? undefined : network
    // From here on the message may be appended, this copy of it or the other network's.
    const isBrought = from !== undefined && outbound.cameFrom(id, from)
    const item = foreignItem('foreign', authorKey(message), [{ ...message, id, ...times() }])
    const entries = (await inbox.pushWhenFits(item)) ? await item.done.promise : undefined
    const [isNew = false] = admission.settled([message], entries)
    const entry = entries?.[0]
    const verdict = verdictOn(message, entry, isNew)
    if (isBrought && verdict !== 'accept') outbound.notFrom(id, from)
    if (isBrought && verdict === 'accept' && entry?.known === true) carry(entry.message)
    return verdict
  }

  /** What another gateway of the database stored, it has left to this one to hand to this one's networks. */
  function carry(message: StoredMessage | undefined): void {
    if (message === undefined || appended.has(message.seq)) return
    outbound.send([message]).catch((err: unknown) => logger.error({ err }, 'could not hand a message to the other network'))
  }

  /** Whether there is room for messages from the network. */
  function fits(holder: string, messages: number, bytes: number): boolean {
    return inbox.fits({ holder, isForeign: true, messages, bytes })
  }

  /** Puts remote messages into the inbox as one item. */
  function store(kind: ForeignItem['kind'], holder: string, list: NewMessage[]): Promise<AppendEntry[] | undefined> {
    const item = foreignItem(kind, holder, list)
    inbox.push(item)
    return item.done.promise
  }

  function checkRoom(client: string, messages: number, bytes: number): void {
    if (stopped) throw new Draining('This gateway is shutting down. Retry shortly.', { retryAfterMs })
    if (inbox.fits({ holder: client, isForeign: false, messages, bytes })) return
    throw new Overloaded('Too many messages are waiting to be stored, in all or from this client.', { retryAfterMs })
  }

  return {
    async start() {
      startedAt = age()
      order.start()
      await outbound.start()
      unlisten = engine.listen((event) => {
        if (event.type === 'message:announced') order.expect(event.ids, event.peerId)
      })
      engine.receive({ onMessage: receive, isHeld: admission.isLetIn, room: (from) => inbox.room(authorKey({ from })) })
      running = appender.run()
    },
    async takeDirect(messages) {
      const [first] = messages
      if (first === undefined) return []
      if (stopped) return undefined
      const from = authorKey(first)
      if (!fits(from, messages.length, sizeOf(messages))) return undefined
      return await store('foreign', from, messages)
    },
    takePast: async (messages, networks) => (stopped ? undefined : await counted(past.take(messages, networks))),
    letIn: admission.letIn,
    order,
    checkRoom: (client) => checkRoom(client, 1, 1),
    publish(own, { client, key, stored }) {
      const bytes = sizeOf(own)
      checkRoom(client, own.length, bytes)
      const done = Promise.withResolvers<Published[]>()
      inbox.push({
        kind: 'own',
        own,
        key,
        stored,
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
    get networks() {
      return outbound.networks
    },
    settle: order.idle,
    letGo: order.stop,
    async stop() {
      stopped = true
      unlisten?.()
      order.stop()
      await Promise.allSettled(taking)
      inbox.close()
      await running
      await outbound.stop()
      await admission.stop()
    },
  }
}

function idsOf(messages: Array<{ id: string }>): string[] {
  return messages.map(({ id }) => id)
}
