import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { P2PEngine, Verdict } from './engine/engine.ts'
import { Draining, MessageTooLarge, Overloaded } from './errors.ts'
import { createInbox } from './inbox.ts'
import type { Seq } from './model/cursor.ts'
import type { NewMessage } from './model/message.ts'
import { messageId, type SignedMessage } from './model/signed-message.ts'
import { createOutbound, type OutboundLimits } from './outbound.ts'
import type { AppendEntry, LogStore } from './store/store.ts'
import type { Hub } from './stream/hub.ts'

/**
 * The middle of the road (docs/architecture.md): every message, ours or another's, waits here in one bounded inbox, is appended in one
 * transaction with whatever else waits, is shown to the hub, and, when it is ours, handed to the network.
 */
export interface Ingest {
  /** Takes messages in from now on, the engine's too; to be called before the engine starts. */
  start(): Promise<void>
  /**
   * Publishes a message of our own. Resolves when it is durable and was handed over; what was refused left no trace.
   * Calls whose topic is joined already are published in the order of the calls.
   * @throws MessageTooLarge, Overloaded, Draining, StoreUnavailable, TopicLimit
   */
  publish(message: { topic: string; data: Uint8Array }, options: { signal: AbortSignal }): Promise<Published>
  /** Refuses what comes from now on, and finishes what is there. */
  stop(): Promise<void>
}

export interface Published {
  id: string
  seq: Seq
  topic: string
  /** How many connected peers it was handed to. */
  recipients: number
}

export interface IngestLimits extends OutboundLimits {
  maxMessageBytes: number
  maxInboxMessages: number
  maxInboxBytes: number
  maxBatchMessages: number
}

export interface IngestComponents {
  engine: Pick<P2PEngine, 'peerId' | 'sign' | 'send' | 'receive' | 'subscribers' | 'listen'>
  log: Pick<LogStore, 'append' | 'position' | 'read' | 'sentThrough' | 'markSent'>
  hub: Pick<Hub, 'append'>
  topics: { ensureJoined(topic: string): Promise<void> }
  logger: Logger
  /** Milliseconds since 1970. */
  now?: () => number
}

interface OwnItem {
  kind: 'own'
  topic: string
  data: Uint8Array
  receivedAt: number
  done: PromiseWithResolvers<Published>
}

interface ForeignItem {
  kind: 'foreign'
  message: NewMessage
  done: PromiseWithResolvers<Verdict>
}

type Item = OwnItem | ForeignItem

/** Milliseconds after which a client that met a full inbox may try again: some batches later. */
const retryAfterMs = 1_000

export function createIngest(init: { limits: IngestLimits }, components: IngestComponents): Ingest {
  const { limits } = init
  const { engine, log, hub, topics, logger, now = Date.now } = components
  const inbox = createInbox<Item>(limits)
  const outbound = createOutbound({ limits }, components)
  let running: Promise<void> | undefined
  let stopped = false

  async function work(): Promise<void> {
    for (;;) {
      const batch = await inbox.take(limits.maxBatchMessages)
      if (batch === undefined) return
      await commit(batch)
      // Lets the sockets be read, so that the next batch is everything that came in the meantime.
      await nextTurn()
    }
  }

  async function commit(batch: Item[]): Promise<void> {
    try {
      const { previousTip, entries } = await log.append(await toMessages(batch))
      const added = entries.flatMap((entry) => (entry.known ? [] : entry.message))
      hub.append(previousTip, added)
      settleForeign(batch, entries)
      const recipients = await outbound.send(added)
      settleOwn(batch, entries, recipients)
    } catch (error) {
      refuse(batch, error)
    }
  }

  async function toMessages(batch: Item[]): Promise<NewMessage[]> {
    const own = batch.filter((item) => item.kind === 'own')
    const signed = own.length === 0 ? [] : await engine.sign(own)
    const signatures = signed.values()
    return batch.map((item) => {
      if (item.kind === 'foreign') return item.message
      const message = signatures.next().value
      if (message === undefined) throw new Error('the engine signed fewer messages than it was given')
      return { ...message, id: messageId(message.from, message.sequence), receivedAt: item.receivedAt }
    })
  }

  function settleForeign(batch: Item[], entries: AppendEntry[]): void {
    batch.forEach((item, index) => {
      // Known ones went to the neighbours when they came first.
      if (item.kind === 'foreign') item.done.resolve(entries[index]?.known === false ? 'accept' : 'ignore')
    })
  }

  function settleOwn(batch: Item[], entries: AppendEntry[], recipients: Map<Seq, number>): void {
    batch.forEach((item, index) => {
      const message = entries[index]?.message
      if (item.kind !== 'own' || message === undefined) return
      item.done.resolve({ id: message.id, seq: message.seq, topic: message.topic, recipients: recipients.get(message.seq) ?? 0 })
    })
  }

  /** Settles whoever is not settled yet. */
  function refuse(batch: Item[], error: unknown): void {
    logger.error({ err: error, messages: batch.length }, 'a batch of messages was refused')
    for (const item of batch) {
      if (item.kind === 'own') item.done.reject(error)
      else item.done.resolve('ignore')
    }
  }

  async function accept(message: SignedMessage): Promise<Verdict> {
    const tooLarge = message.data.length > limits.maxMessageBytes
    if (tooLarge || stopped || !inbox.fits(message.data.length)) return 'ignore'
    const done = Promise.withResolvers<Verdict>()
    const stamped = { ...message, id: messageId(message.from, message.sequence), receivedAt: now() }
    inbox.push({ kind: 'foreign', message: stamped, done }, message.data.length)
    return await done.promise
  }

  function enqueue(topic: string, data: Uint8Array): Promise<Published> {
    if (stopped) throw new Draining('This gateway is shutting down; publish again in a moment.', { retryAfterMs })
    if (!inbox.fits(data.length)) throw new Overloaded('Too many messages are waiting to be stored.', { retryAfterMs })
    const done = Promise.withResolvers<Published>()
    inbox.push({ kind: 'own', topic, data, receivedAt: now(), done }, data.length)
    return done.promise
  }

  return {
    async start() {
      await outbound.start()
      engine.receive({ onMessage: accept })
      running = work()
    },
    async publish({ topic, data }, { signal }) {
      if (data.length > limits.maxMessageBytes) {
        throw new MessageTooLarge(`A message has at most ${limits.maxMessageBytes} bytes of data; this one has ${data.length}.`)
      }
      await topics.ensureJoined(topic)
      signal.throwIfAborted()
      return await enqueue(topic, data)
    },
    async stop() {
      stopped = true
      inbox.close()
      await running
      await outbound.stop()
    },
  }
}
