import type { Logger } from 'pino'
import type { P2PEngine } from './engine/engine.ts'
import type { Seq } from './model/cursor.ts'
import type { StoredMessage } from './model/message.ts'
import { directTopic } from './model/topic.ts'
import type { LogStore } from './store/store.ts'

/**
 * Hands our own stored messages to the network, and sees to it that each gets there: a message that nobody could be handed waits until
 * its topic has a subscriber, and what was handed over shortly before a crash, and may have died in a buffer, is handed over again.
 * Both are found again after a restart by the sent mark: everything of ours after it is still to be sent.
 */
export interface Outbound {
  /** Finds what is still to be sent; sending begins with the first subscriber. */
  start(): Promise<void>
  /**
   * Sends a batch just appended, ours and others' alike, in order; others' only move the mark. Answers for each message of ours, by its
   * number, how many peers it was handed to.
   */
  send(batch: StoredMessage[]): Promise<Map<Seq, number>>
  /** Topics with messages that nobody has been there for. */
  readonly waiting: number
  stop(): Promise<void>
}

export interface OutboundLimits {
  sentWindowMs: number
  unsentWindowMs: number
  maxReadMessages: number
  maxReadBytes: number
}

export interface OutboundComponents {
  engine: Pick<P2PEngine, 'peerId' | 'send' | 'subscribers' | 'listen'>
  log: Pick<LogStore, 'position' | 'read' | 'sentThrough' | 'markSent'>
  logger: Logger
  now?: () => number
}

/** How often waiting topics are looked at and the mark is moved, in milliseconds; a new subscriber is noticed at once. */
const tickMs = 1_000

export function createOutbound(init: { limits: OutboundLimits }, components: OutboundComponents): Outbound {
  const { limits } = init
  const { engine, log, logger, now = Date.now } = components
  /** Topics with messages of ours that were handed to nobody: everything of ours after the position is to be sent. */
  const waiting = new Map<string, Seq>()
  /** Ends of the batches handed over, oldest first, with the time: not settled before the window is over. */
  const recent: Array<{ through: Seq; at: number }> = []
  let settled: Seq = 0
  let marked: Seq = 0
  /** One hand-over at a time, so that messages leave in the order of their sequence numbers. */
  let turn: Promise<unknown> = Promise.resolve()
  let ticker: NodeJS.Timeout | undefined
  let unlisten: (() => void) | undefined

  function inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = turn.then(work)
    turn = result.catch(() => undefined)
    return result
  }

  async function handOver(batch: StoredMessage[]): Promise<Map<Seq, number>> {
    const own = batch.filter(isToSend)
    for (const topic of new Set(own.map((message) => message.topic))) {
      if (waiting.has(topic)) await flush(topic, (batch[0]?.seq ?? 1) - 1)
    }
    const recipients = own.length === 0 ? [] : await trySend(own)
    own.forEach((message, index) => {
      if ((recipients[index] ?? 0) === 0 && !waiting.has(message.topic)) waiting.set(message.topic, message.seq - 1)
    })
    const last = batch.at(-1)
    if (last !== undefined) recent.push({ through: last.seq, at: now() })
    return new Map(own.map((message, index) => [message.seq, recipients[index] ?? 0]))
  }

  /** The messages are stored, so an engine that fails is one that reached nobody: they wait. */
  async function trySend(messages: StoredMessage[]): Promise<number[]> {
    try {
      return await engine.send(messages)
    } catch (err) {
      logger.error({ err }, 'the engine could not send; the messages wait')
      return messages.map(() => 0)
    }
  }

  /** Sends what waits in a topic up to a position, in order, as far as somebody takes it. */
  async function flush(topic: string, through: Seq): Promise<void> {
    if ((await engine.subscribers(topic)).length === 0) return
    for (let after = waiting.get(topic); after !== undefined; ) {
      const step = await readOwn(after, through, topic)
      const recipients = await trySend(step.messages)
      const refused = step.messages[recipients.indexOf(0)]
      if (refused !== undefined) {
        waiting.set(topic, refused.seq - 1)
        return
      }
      after = step.scanned
      waiting.set(topic, after)
      if (after >= through) break
    }
    waiting.delete(topic)
  }

  /** Our own that a peer has kept, since this log had lost them, are in the network already. */
  function isToSend({ from, topic, firstSeenAt }: StoredMessage): boolean {
    return from === engine.peerId && topic !== directTopic && firstSeenAt === undefined
  }

  async function readOwn(after: Seq, through: Seq, topic?: string) {
    const step = await log.read({
      after,
      through: Math.max(after, through),
      order: 'asc',
      limit: limits.maxReadMessages,
      maxBytes: limits.maxReadBytes,
      kind: 'topic',
      from: engine.peerId,
      since: now() - limits.unsentWindowMs,
      ...(topic === undefined ? {} : { topics: { exact: [topic], prefixes: [] } }),
    })
    return { ...step, messages: step.messages.filter(isToSend) }
  }

  /** Sends what can be sent now, gives up what waited too long, and notes how far everything is settled. */
  async function tick(): Promise<void> {
    const { tip } = await log.position()
    for (const [topic, after] of waiting) {
      await flush(topic, tip)
      if (waiting.get(topic) === after) await expire(topic, after, tip)
    }
    while (recent[0] !== undefined && recent[0].at <= now() - limits.sentWindowMs) settled = recent.shift()?.through ?? settled
    const mark = Math.min(settled, ...waiting.values())
    if (mark <= marked) return
    marked = mark
    await log.markSent(engine.peerId, mark)
  }

  /** Moves the waiting position past what is older than the window. */
  async function expire(topic: string, after: Seq, through: Seq): Promise<void> {
    const step = await readOwn(after, through, topic)
    const oldest = step.messages[0]
    if (oldest !== undefined) waiting.set(topic, oldest.seq - 1)
    else if (step.scanned >= through) waiting.delete(topic)
    else waiting.set(topic, step.scanned)
  }

  async function findUnsent(): Promise<void> {
    const { tip } = await log.position()
    settled = marked = await log.sentThrough(engine.peerId)
    for (let after = settled; after < tip; ) {
      const step = await readOwn(after, tip)
      for (const message of step.messages) if (!waiting.has(message.topic)) waiting.set(message.topic, message.seq - 1)
      after = step.scanned
    }
    recent.push({ through: tip, at: now() })
  }

  function later(work: () => Promise<void>): void {
    inTurn(work).catch((err: unknown) => logger.warn({ err }, 'sending what waits failed; it is tried again'))
  }

  return {
    async start() {
      await findUnsent()
      unlisten = engine.listen((event) => {
        if (event.type !== 'topic:subscribe' || !waiting.has(event.topic)) return
        later(async () => flush(event.topic, (await log.position()).tip))
      })
      ticker = setInterval(() => later(tick), tickMs)
    },
    get waiting() {
      return waiting.size
    },
    send: (batch) => inTurn(() => handOver(batch)),
    async stop() {
      clearInterval(ticker)
      unlisten?.()
      await turn
    },
  }
}
