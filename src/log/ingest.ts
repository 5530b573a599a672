import type { Logger } from 'pino'
import type { OwnMessage, P2PEngine } from '../engine/engine.ts'
import { Draining, Overloaded } from '../errors.ts'
import type { NewMessage } from '../model/message.ts'
import { messageId, type SignedMessage } from '../model/signed-message.ts'
import type { Verdict } from '../model/verdict.ts'
import type { AppendEntry, LogStore, PublishedItem } from '../store/log-store.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { traceContext } from '../telemetry/tracing.ts'
import { type AdmissionComponents, createAdmission } from './admission.ts'
import { createAppender } from './appender.ts'
import { authorKey, type ForeignItem, foreignItem, historyKey, type Item, sizeOf, type Times } from './batch.ts'
import { createBatchQueue } from './batch-queue.ts'
import { createOutbound, type OutboundLimits } from './outbound.ts'
import { createOwnSeqs } from './own-seqs.ts'
import type { LogTail } from './tail.ts'
import { createUncertain } from './uncertain.ts'
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
  /** See `AdmissionComponents`. */
  judges?: AdmissionComponents['judges']
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

/** Runs of own numbers that are remembered: several batches for each of other gateways within a minute. */
const maxRuns = 10_000
/** Milliseconds within which what another gateway has stored is news for the neighbours of this one; engines know repetitions for longer. */
const newsMs = 60_000
/** Milliseconds after which a client that met a full inbox may try again: some batches later. */
const retryAfterMs = 1_000

export function createIngest(init: { limits: IngestLimits }, components: IngestComponents): Ingest {
  const { limits } = init
  const { engine, log, tail, metrics, logger, now = Date.now, age = now, settledAge = age } = components
  const inbox = createBatchQueue<Item>(limits)
  const outbound = createOutbound({ limits }, { ...components, age, settledAge })
  const own = createOwnSeqs({ maxRuns })
  const uncertain = createUncertain({ now: age })
  const admission = createAdmission({ limits }, { log, judges: components.judges, logger, age })
  const appender = createAppender({ limits }, { ...components, queue: inbox, outbound, own, uncertain, settledAge })
  let startedAt = Number.POSITIVE_INFINITY
  let running: Promise<void> | undefined
  let stopped = false

  // What is read of this gateway, and was taken for refused, is handed over now.
  tail.watchRead((messages) => {
    const lost = uncertain.found(messages)
    if (lost.length === 0) return
    outbound.send(lost).catch((err: unknown) => logger.error({ err }, 'messages that were found again could not be handed over'))
  })

  const times = (): Times => ({ receivedAt: now(), storedAt: age() })

  /** Known ones went to this gateway's neighbours when they came first, unless it was to another gateway of the database that they came. */
  function verdictOn({ signature }: SignedMessage, entry: AppendEntry | undefined): Verdict {
    if (entry === undefined || entry.message === undefined) return 'ignore'
    const { seq, storedAt } = entry.message
    // Another message of the same author under the same id: the first counts, and nobody has judged this one.
    if (Buffer.compare(entry.message.signature, signature) !== 0) return 'ignore'
    const isFresh = storedAt > Math.max(startedAt, age() - newsMs)
    return !entry.known || (isFresh && !own.has(seq)) ? 'accept' : 'ignore'
  }

  async function receive(message: SignedMessage): Promise<Verdict> {
    const verdict = await take(message)
    metrics.received(verdict)
    return verdict
  }

  async function take(message: SignedMessage): Promise<Verdict> {
    const verdict = await admission.judge(message)
    if (verdict !== 'accept') return verdict
    const item = foreignItem('foreign', authorKey(message), [{ ...message, id: messageId(message.from, message.sequence), ...times() }])
    const entries = (await inbox.pushWhenFits(item)) ? await item.done.promise : undefined
    admission.giveBack([message], entries)
    return verdictOn(message, entries?.[0])
  }

  async function takePast(past: PastMessage[]): Promise<PastOutcome | undefined> {
    const verdicts = await Promise.all(past.map(({ message }) => admission.judge(message)))
    const at = times()
    const wanted = past
      .filter((_, index) => verdicts[index] === 'accept')
      .map(({ message, firstSeenAt }) => ({ ...message, id: messageId(message.from, message.sequence), ...at, firstSeenAt }))
    const refused = past.length - wanted.length
    if (wanted.length === 0) return { stored: 0, known: 0, refused }
    if (!fits(historyKey, wanted.length, sizeOf(wanted))) {
      admission.giveBack(wanted, undefined)
      return undefined
    }
    const entries = await store('past', historyKey, wanted)
    admission.giveBack(wanted, entries)
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
      engine.receive({ onMessage: receive, room: (from) => inbox.room(authorKey({ from })) })
      running = appender.run()
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
      await admission.stop()
    },
  }
}
