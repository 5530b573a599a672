import type { Logger } from 'pino'
import type { EngineEvent, P2PEngine } from '../engine/engine.ts'
import type { Seq } from '../model/cursor.ts'
import type { StoredMessage } from '../model/message.ts'
import { directTopic } from '../model/topic.ts'
import type { LogStore } from '../store/log-store.ts'

/**
 * Hands our own stored messages to the network, and sees to it that each gets there: a message that nobody could be handed waits until
 * its topic has a subscriber, and what was handed over shortly before a crash, and may have died in a buffer, is handed over again.
 * Both are found again after a restart by the sent mark: everything of ours after it is still to be sent. A neighbour that has not the room
 * for everything is fed from the log until it has caught up.
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
  engine: Pick<P2PEngine, 'peerId' | 'send' | 'subscribers' | 'listen' | 'stragglers'>
  log: Pick<LogStore, 'position' | 'read' | 'find' | 'sentThrough' | 'markSent'>
  logger: Logger
  /** Age time. */
  age?: () => number
  /** The same, which stands still while the clock is not trusted. */
  settledAge?: () => number
}

/** A neighbour that was not handed everything. */
interface Straggler {
  /** Everything after it in the log is to be handed to it, as soon as that is known. */
  after?: Seq
  /** Messages from which on it has not got everything. */
  missed: string[]
  /** When the oldest of what it is to be handed was stored, as far as that is known. */
  oldestAt?: number
}

/** Messages that a straggler is handed at a time: about as many as it has room for when it has some. */
const feedMessages = 200

/** Messages read to find the oldest of a topic that is not too old: one, where none came by history. */
const expireMessages = 10

/** How often waiting topics are looked at and the mark is moved, in milliseconds; a new subscriber is noticed at once. */
const tickMs = 1_000

export function createOutbound(init: { limits: OutboundLimits }, components: OutboundComponents): Outbound {
  const { limits } = init
  const { engine, log, logger, age = Date.now, settledAge = age } = components
  /** Topics with messages of ours that were handed to nobody: everything of ours after the position is to be sent. */
  const waiting = new Map<string, Seq>()
  /** Of waiting topics, the time of the first message after a position, so that nothing is read before it is too old. */
  const oldest = new Map<string, { after: Seq; storedAt: number }>()
  /** By peer id. */
  const stragglers = new Map<string, Straggler>()
  /** Stragglers that have their turn to be handed some. */
  const due = new Set<string>()
  let isFeeding = false
  /** Topics that have got a subscriber since something began to be sent to those who were there. */
  const joined = new Set<string>()
  /** Peers that have left, with topics of which they may not have got everything. */
  const left: Array<{ straggler: Straggler; topics: string[] }> = []
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
    // What has just got its first subscriber is sent from the first message on.
    const sendable = own.filter(({ topic }) => !waiting.has(topic))
    const recipients = sendable.length === 0 ? [] : await trySend(sendable)
    for (const { topic, seq } of await unwanted(sendable, recipients)) if (!waiting.has(topic)) waiting.set(topic, seq - 1)
    const last = batch.at(-1)
    if (last !== undefined) recent.push({ through: last.seq, at: age() })
    const counts = new Map(sendable.map(({ seq }, index) => [seq, recipients?.[index] ?? 0]))
    return new Map(own.map(({ seq }) => [seq, counts.get(seq) ?? 0]))
  }

  /** Of each message how many peers it was handed to. They are stored, so an engine that fails, which answers nothing, has them wait. */
  async function trySend(messages: StoredMessage[]): Promise<number[] | undefined> {
    joined.clear()
    try {
      return await engine.send(messages)
    } catch (err) {
      logger.error({ err }, 'the engine could not send; the messages wait')
      return undefined
    }
  }

  /**
   * Messages for which nobody has been there. Subscribers that were handed none are stragglers, or can't be sent this message at all; but one
   * that has come meanwhile was not among those that it was sent to.
   */
  async function unwanted(messages: StoredMessage[], recipients: number[] | undefined): Promise<StoredMessage[]> {
    if (recipients === undefined) return messages
    const left = messages.filter((_, index) => recipients[index] === 0)
    const topics = [...new Set(left.map(({ topic }) => topic))]
    const taken = new Set(
      await Array.fromAsync(topics, async (topic) => ((await engine.subscribers(topic)).length > 0 ? topic : undefined)),
    )
    return left.filter(({ topic }) => !taken.has(topic) || joined.has(topic))
  }

  /** Has stragglers among the subscribers fed from a position on. Answers false when they are all that there are. */
  async function leaveToFeeds(topic: string, after: Seq): Promise<boolean> {
    const subscribers = await engine.subscribers(topic)
    for (const peerId of subscribers) {
      const straggler = stragglers.get(peerId)
      if (straggler !== undefined) straggler.after = Math.min(straggler.after ?? after, after)
    }
    return subscribers.length === 0 || !subscribers.every((peerId) => stragglers.has(peerId))
  }

  /** Sends what waits in a topic up to a position, in order, as far as somebody takes it. */
  async function flush(topic: string, through: Seq): Promise<void> {
    if ((await engine.subscribers(topic)).length === 0) return
    for (let after = waiting.get(topic); after !== undefined && (await leaveToFeeds(topic, after)); ) {
      const step = await readOwn(after, through, { topic })
      const [refused] = await unwanted(step.messages, await trySend(step.messages))
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

  async function readOwn(after: Seq, through: Seq, { topic, limit = limits.maxReadMessages }: { topic?: string; limit?: number } = {}) {
    const step = await log.read({
      after,
      through: Math.max(after, through),
      order: 'asc',
      limit,
      maxBytes: limits.maxReadBytes,
      kind: 'topic',
      from: engine.peerId,
      storedSince: settledAge() - limits.unsentWindowMs,
      ...(topic === undefined ? {} : { topics: { exact: [topic], prefixes: [] } }),
    })
    return { ...step, messages: step.messages.filter(isToSend) }
  }

  /** The position before the first of some messages, all of which hold the mark. */
  async function placeBefore(ids: Set<string>): Promise<Seq> {
    const found = await log.find([...ids], limits.maxReadBytes)
    // What is not there any more was pruned, and topics are pruned apart.
    return Math.min(...found.map(({ seq }) => seq - 1), ...(found.length < ids.size ? [marked] : []))
  }

  /** The position after which a straggler is to be handed everything. */
  async function placeOf(straggler: Straggler): Promise<Seq> {
    const missed = new Set(straggler.missed.splice(0))
    if (missed.size === 0) return straggler.after ?? marked
    try {
      const since = await placeBefore(missed)
      straggler.after = Math.min(straggler.after ?? since, since)
    } catch (error) {
      straggler.missed.push(...missed)
      throw error
    }
    return straggler.after
  }

  /**
   * Hands a straggler some of what it has missed; what remains has its turn behind what others wait for. One that has no room costs no reading
   * but of what has become too old for it.
   */
  async function feed(peerId: string, straggler: Straggler): Promise<void> {
    if (engine.stragglers === undefined) return
    const storedSince = settledAge() - limits.unsentWindowMs
    const hasRoom = engine.stragglers.hasRoom(peerId)
    if (!hasRoom && straggler.missed.length === 0 && (straggler.oldestAt ?? 0) >= storedSince) return
    const after = await placeOf(straggler)
    const { tip } = await log.position()
    const step = await log.read({
      after,
      through: Math.max(after, tip),
      order: 'asc',
      limit: hasRoom ? feedMessages : 1,
      maxBytes: limits.maxReadBytes,
      kind: 'topic',
      storedSince,
    })
    const oldest = hasRoom ? await feedStep(peerId, step.messages) : step.messages[0]
    straggler.after = oldest === undefined ? step.scanned : oldest.seq - 1
    straggler.oldestAt = oldest?.storedAt ?? 0
    // It may have left meanwhile, and have come back.
    if (oldest !== undefined || stragglers.get(peerId) !== straggler) return
    if (step.scanned >= tip && engine.stragglers.settle(peerId)) stragglers.delete(peerId)
    else feedLater(peerId)
  }

  /** Answers the first message that there was no room for. */
  async function feedStep(peerId: string, step: StoredMessage[]): Promise<StoredMessage | undefined> {
    const messages = step.filter(({ from, firstSeenAt }) => from !== peerId && firstSeenAt === undefined)
    return messages[(await engine.stragglers?.send(peerId, messages)) ?? 0]
  }

  function feedLater(peerId: string): void {
    due.add(peerId)
    if (isFeeding) return
    isFeeding = true
    later(feedNext)
  }

  /** One at a time, so that what is new waits for one of them at most. */
  async function feedNext(): Promise<void> {
    const [peerId = ''] = due
    due.delete(peerId)
    try {
      const straggler = stragglers.get(peerId)
      if (straggler !== undefined) await feed(peerId, straggler)
    } finally {
      isFeeding = due.size > 0
      if (isFeeding) later(feedNext)
    }
  }

  /** What a peer may not have got that has left waits for somebody else, where nobody is there who has. */
  async function inherit(): Promise<void> {
    for (const gone of [...left]) {
      const after = await placeOf(gone.straggler)
      for (const topic of gone.topics) {
        if ((await engine.subscribers(topic)).length === 0) waiting.set(topic, Math.min(waiting.get(topic) ?? after, after))
      }
      left.splice(left.indexOf(gone), 1)
    }
  }

  function noteMissed(peerId: string, since: string): Straggler {
    const straggler = stragglers.get(peerId) ?? { missed: [] }
    straggler.missed.push(since)
    stragglers.set(peerId, straggler)
    return straggler
  }

  function notice(event: EngineEvent): void {
    switch (event.type) {
      case 'topic:subscribe':
        joined.add(event.topic)
        if (waiting.has(event.topic)) later(async () => flush(event.topic, (await log.position()).tip))
        break
      case 'peer:behind':
        noteMissed(event.peerId, event.since)
        break
      case 'peer:room':
        feedLater(event.peerId)
        break
      case 'peer:left':
        left.push({ straggler: noteMissed(event.peerId, event.since), topics: event.topics })
        stragglers.delete(event.peerId)
        later(inherit)
        break
      default:
    }
  }

  /** Sends what can be sent now, gives up what waited too long, and notes how far everything is settled. */
  async function tick(): Promise<void> {
    const { tip } = await log.position()
    await inherit()
    for (const peerId of stragglers.keys()) feedLater(peerId)
    for (const topic of oldest.keys()) if (!waiting.has(topic)) oldest.delete(topic)
    for (const [topic, after] of waiting) {
      await flush(topic, tip)
      if (waiting.get(topic) === after) await expire(topic, after, tip)
    }
    while (recent[0] !== undefined && recent[0].at <= age() - limits.sentWindowMs) settled = recent.shift()?.through ?? settled
    const behind = [...stragglers.values(), ...left.map(({ straggler }) => straggler)].map(({ after, missed }) =>
      missed.length > 0 ? marked : (after ?? marked),
    )
    const mark = Math.min(settled, ...waiting.values(), ...behind, await unsentPlace())
    if (mark <= marked) return
    marked = mark
    await log.markSent(engine.peerId, mark)
  }

  /** The position after which what was handed over may still be in this process. */
  async function unsentPlace(): Promise<Seq> {
    const ids = new Set(engine.stragglers?.unsent())
    return ids.size === 0 ? settled : await placeBefore(ids)
  }

  /** Moves the waiting position past what is older than the window. What is known to be younger costs no reading. */
  async function expire(topic: string, after: Seq, through: Seq): Promise<void> {
    const known = oldest.get(topic)
    if (known?.after === after && known.storedAt >= settledAge() - limits.unsentWindowMs) return
    oldest.delete(topic)
    const step = await readOwn(after, through, { topic, limit: expireMessages })
    const first = step.messages[0]
    if (first !== undefined) {
      waiting.set(topic, first.seq - 1)
      oldest.set(topic, { after: first.seq - 1, storedAt: first.storedAt })
    } else if (step.scanned >= through) waiting.delete(topic)
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
    recent.push({ through: tip, at: age() })
  }

  function later(work: () => Promise<void>): void {
    inTurn(work).catch((err: unknown) => logger.warn({ err }, 'sending what waits failed; it is tried again'))
  }

  return {
    async start() {
      await findUnsent()
      unlisten = engine.listen(notice)
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
