import type { Logger } from 'pino'
import type { EngineEvent, Network } from '../engine/engine.ts'
import { createSerial } from '../lib/serial.ts'
import type { Limits } from '../limits.ts'
import type { Seq } from '../model/cursor.ts'
import type { StoredMessage } from '../model/message.ts'
import { exactly } from '../model/topic.ts'
import type { LogStore } from '../store/log-store.ts'
import { createFeeds, type Straggler } from './feeds.ts'
import type { NetworkCounts } from './network-counts.ts'

/**
 * Hands stored messages to one network and makes sure that each one gets there. A message without any recipient waits
 * until its topic has a subscriber. Messages handed over shortly before a crash may have been lost in a buffer and are
 * handed over again. After a restart, the sent mark of the network finds both: everything after it that is to be sent
 * here is still to be sent. A neighbour without room for everything is fed from the log until it has caught up.
 */
export interface NetworkOutbound {
  /** Finds the messages that are still to be sent. Sending starts with the first subscriber. */
  start(): Promise<void>
  /**
   * Sends a batch that was just appended, in order; messages that are not for this network only move the mark. Returns
   * for each sent message, by its seq, the number of peers that it was handed to.
   */
  send(batch: StoredMessage[]): Promise<Map<Seq, number>>
  /** Topics with messages that no subscriber was there for. */
  waiting(): string[]
  /** Everything up to here was handed over and has had time to arrive. */
  readonly marked: Seq
  stop(): Promise<void>
}

export type OutboundLimits = Pick<Limits, 'sentWindowMs' | 'unsentWindowMs' | 'maxReadMessages' | 'maxReadBytes'>

export interface NetworkOutboundInit {
  limits: OutboundLimits
  /** The author whose messages are sent here and none else, which narrows every read. Undefined on a bridge. */
  author?: string | undefined
  /** Whether a message of the log is to be sent to this network. */
  isToSend(message: StoredMessage): boolean
  /** Whether a straggler of this network is handed a message of the log, of any author, that it may have missed. */
  isToFeed(message: StoredMessage): boolean
  /** The same of a peer that has just been linked, and may not have got from others what came shortly before. */
  isToBegin(message: StoredMessage): boolean
  /** The messages are about to be handed to the network. */
  onSend(messages: StoredMessage[]): void
}

/** What a network is needed for here. */
export type WayOut = Pick<Network, 'kind' | 'send' | 'subscribers' | 'listen' | 'stragglers'>

/** Up to where the log was handed to a network, as the database keeps it. */
export interface SentMark {
  read(): Promise<Seq>
  raise(through: Seq): Promise<void>
}

export interface NetworkOutboundComponents {
  network: WayOut
  log: Pick<LogStore, 'position' | 'read' | 'find'>
  mark: SentMark
  counts: Pick<NetworkCounts, 'sent' | 'wait' | 'waited' | 'giveUp'>
  logger: Logger
  /** Age time. */
  age(): number
  /** Age time, which stands still while the clock is not trusted. */
  settledAge(): number
}

/**
 * Messages read to find the oldest of a topic that is not too old. One is enough unless some were fetched from peers.
 */
const expireMessages = 10

/**
 * Interval at which waiting topics are checked and the mark is moved, in milliseconds. A new subscriber is noticed at
 * once.
 */
const tickMs = 1_000

export function createNetworkOutbound(init: NetworkOutboundInit, components: NetworkOutboundComponents): NetworkOutbound {
  const { limits, author, isToSend, onSend } = init
  const { network, log, mark, counts, logger, age, settledAge } = components
  /** Topics with messages that were handed to no peer; all messages after the position are to be sent. */
  const waiting = new Map<string, Seq>()
  /** The first message after a position of each waiting topic, so that nothing is read before it is too old. */
  const oldest = new Map<string, { after: Seq; storedAt: number }>()
  /** Topics that gained a subscriber since the current send began; undefined while nothing is sent. */
  let joined: Set<string> | undefined
  /** Peers that left, with the topics of which they may have missed messages. */
  const left: Array<{ straggler: Straggler; topics: string[] }> = []
  /** Last seqs of the batches handed over, oldest first, with the time. A batch is settled when the window is over. */
  const recent: Array<{ through: Seq; at: number }> = []
  let settled: Seq = 0
  let marked: Seq = 0
  /** One hand-over at a time, so that messages leave in the order of their sequence numbers. */
  const inTurn = createSerial()
  const feeds = createFeeds(init, { network, log, later, marked: () => marked, settledAge })
  let ticker: NodeJS.Timeout | undefined
  let unlisten: (() => void) | undefined

  async function handOver(batch: StoredMessage[]): Promise<Map<Seq, number>> {
    const due = batch.filter(isToSend)
    for (const topic of new Set(due.map((message) => message.topic))) {
      // If it fails, the messages of the batch wait too.
      if (waiting.has(topic)) await flush(topic, (batch[0]?.seq ?? 1) - 1).catch(warn)
    }
    // A topic that just gained its first subscriber is sent from its first waiting message on.
    const sendable = due.filter(({ topic }) => !waiting.has(topic))
    const { recipients, unwanted } = await trySend(sendable)
    for (const { topic, seq } of unwanted) if (!waiting.has(topic)) waiting.set(topic, seq - 1)
    counts.wait(due.filter(({ topic, seq }) => seq > (waiting.get(topic) ?? seq)))
    const last = batch.at(-1)
    if (last !== undefined) recent.push({ through: last.seq, at: age() })
    const handed = new Map(sendable.map(({ seq }, index) => [seq, recipients[index] ?? 0]))
    return new Map(due.map(({ seq }) => [seq, handed.get(seq) ?? 0]))
  }

  /**
   * The number of peers that each message was handed to, and the messages that no subscriber was there for. When the
   * engine fails, the messages are stored, so they wait.
   */
  async function trySend(messages: StoredMessage[]): Promise<{ recipients: number[]; unwanted: StoredMessage[] }> {
    if (messages.length === 0) return { recipients: [], unwanted: [] }
    joined = new Set()
    onSend(messages)
    try {
      const recipients = await network.send(messages)
      const unwanted = await unwantedOf(messages, recipients, joined)
      counts.sent(messages, { recipients, unwanted })
      return { recipients, unwanted }
    } catch (err) {
      logger.error({ err }, 'the engine could not send; the messages stay queued')
      return { recipients: [], unwanted: messages }
    } finally {
      joined = undefined
    }
  }

  /**
   * Messages that no subscriber was there for. Subscribers that were handed none are stragglers, or can't be sent this
   * message at all; but a subscriber that joined meanwhile was not among those addressed.
   */
  async function unwantedOf(messages: StoredMessage[], recipients: number[], joined: ReadonlySet<string>): Promise<StoredMessage[]> {
    const left = messages.filter((_, index) => recipients[index] === 0)
    const topics = [...new Set(left.map(({ topic }) => topic))]
    const taken = new Set(
      await Array.fromAsync(topics, async (topic) => ((await network.subscribers(topic)).length > 0 ? topic : undefined)),
    )
    return left.filter(({ topic }) => !taken.has(topic) || joined.has(topic))
  }

  /** Sends the waiting messages of a topic up to a position, in order, as far as they are taken. */
  async function flush(topic: string, through: Seq): Promise<void> {
    if ((await network.subscribers(topic)).length === 0) return
    for (let after = waiting.get(topic); after !== undefined && (await feeds.takeOver(topic, after)); ) {
      const step = await readUnsent(after, through, { topic })
      const [refused] = (await trySend(step.messages)).unwanted
      counts.waited(topic, refused === undefined ? step.messages.length : step.messages.indexOf(refused))
      if (refused !== undefined) {
        waiting.set(topic, refused.seq - 1)
        return
      }
      after = step.scanned
      waiting.set(topic, after)
      if (after >= through) break
    }
    waiting.delete(topic)
    counts.waited(topic)
  }

  async function readUnsent(after: Seq, through: Seq, { topic, limit = limits.maxReadMessages }: { topic?: string; limit?: number } = {}) {
    const step = await log.read({
      after,
      through: Math.max(after, through),
      order: 'asc',
      limit,
      maxBytes: limits.maxReadBytes,
      kind: 'topic',
      storedSince: settledAge() - limits.unsentWindowMs,
      ...(author === undefined ? {} : { from: author }),
      ...(topic === undefined ? {} : { topics: exactly(topic) }),
    })
    return { ...step, messages: step.messages.filter(isToSend) }
  }

  /** Messages that a departed peer may have missed wait for another subscriber, unless the topic has one already. */
  async function inherit(): Promise<void> {
    for (const gone of [...left]) {
      const after = await feeds.placeOf(gone.straggler)
      for (const topic of gone.topics) {
        if ((await network.subscribers(topic)).length === 0) waiting.set(topic, Math.min(waiting.get(topic) ?? after, after))
      }
      left.splice(left.indexOf(gone), 1)
    }
  }

  function notice(event: EngineEvent): void {
    switch (event.type) {
      case 'topic:subscribe':
        joined?.add(event.topic)
        if (waiting.has(event.topic)) later(async () => flush(event.topic, (await log.position()).tip))
        break
      case 'peer:behind':
        feeds.note(event.peerId, event.since)
        break
      case 'peer:begins':
        feeds.begin(event.peerId, event.pauseMs)
        break
      case 'peer:room':
        feeds.feed(event.peerId)
        break
      case 'peer:left':
        left.push({ straggler: feeds.note(event.peerId, event.since), topics: event.topics })
        feeds.drop(event.peerId)
        later(inherit)
        break
      default:
    }
  }

  /** Sends what can be sent now, gives up messages that waited too long, and notes how far everything is settled. */
  async function tick(): Promise<void> {
    const { tip } = await log.position()
    await inherit()
    feeds.feedAll()
    for (const topic of oldest.keys()) if (!waiting.has(topic)) oldest.delete(topic)
    for (const [topic, after] of waiting) {
      await flush(topic, tip)
      if (waiting.get(topic) === after) await expire(topic, after, tip)
    }
    while (recent[0] !== undefined && recent[0].at <= age() - limits.sentWindowMs) settled = recent.shift()?.through ?? settled
    const behind = feeds.positions(left.map(({ straggler }) => straggler))
    const through = Math.min(settled, ...waiting.values(), ...behind, await unsentPlace())
    if (through <= marked) return
    marked = through
    await mark.raise(through)
  }

  /** The position after which handed-over messages may still be in this process. */
  async function unsentPlace(): Promise<Seq> {
    const ids = new Set(network.stragglers?.unsent())
    return ids.size === 0 ? settled : await feeds.placeBefore(ids)
  }

  /**
   * Moves the waiting position past messages older than the window. Nothing is read while the oldest is known to be
   * younger.
   */
  async function expire(topic: string, after: Seq, through: Seq): Promise<void> {
    const known = oldest.get(topic)
    if (known?.after === after && known.storedAt >= settledAge() - limits.unsentWindowMs) return
    oldest.delete(topic)
    const step = await readUnsent(after, through, { topic, limit: expireMessages })
    const first = step.messages[0]
    if (first === undefined && step.scanned < through) return void waiting.set(topic, step.scanned)
    counts.giveUp(topic, first?.storedAt)
    if (first === undefined) return void waiting.delete(topic)
    waiting.set(topic, first.seq - 1)
    oldest.set(topic, { after: first.seq - 1, storedAt: first.storedAt })
  }

  async function findUnsent(): Promise<void> {
    const { tip } = await log.position()
    settled = marked = await mark.read()
    for (let after = settled; after < tip; ) {
      const step = await readUnsent(after, tip)
      for (const message of step.messages) if (!waiting.has(message.topic)) waiting.set(message.topic, message.seq - 1)
      counts.wait(step.messages)
      after = step.scanned
    }
    recent.push({ through: tip, at: age() })
  }

  function later(work: () => Promise<void>): void {
    inTurn(work).catch(warn)
  }

  function warn(err: unknown): void {
    logger.warn({ err }, 'could not send queued messages; retrying')
  }

  return {
    async start() {
      await findUnsent()
      unlisten = network.listen(notice)
      ticker = setInterval(() => later(tick), tickMs)
    },
    waiting: () => [...waiting.keys()],
    get marked() {
      return marked
    },
    send: (batch) => inTurn(() => handOver(batch)),
    async stop() {
      clearInterval(ticker)
      unlisten?.()
      await inTurn(async () => undefined)
    },
  }
}
