import type { P2PEngine } from '../engine/engine.ts'
import type { Seq } from '../model/cursor.ts'
import type { StoredMessage } from '../model/message.ts'
import type { LogStore } from '../store/log-store.ts'

/** Stragglers, neighbours that were not handed everything (`P2PEngine.stragglers`): each is fed from the log, in order, while it has room. */
export interface Feeds {
  /** From this message on the peer may not have got everything. */
  note(peerId: string, since: string): Straggler
  /** The peer is gone: it is fed no more. */
  drop(peerId: string): void
  /** Hands the peer some of what it has missed, in its turn. */
  feed(peerId: string): void
  /** The same, of each that there is. */
  feedAll(): void
  /** Has stragglers among the subscribers of a topic fed from a position on. Answers false when they are all that there are. */
  takeOver(topic: string, after: Seq): Promise<boolean>
  /** The position after which a straggler is to be handed everything. */
  placeOf(straggler: Straggler): Promise<Seq>
  /** The position before the first of some messages, all of which hold the mark. */
  placeBefore(ids: Set<string>): Promise<Seq>
  /** Everything after these positions may still be missing somewhere, at those that are fed and at `others`. */
  positions(others: Straggler[]): Seq[]
}

/** A neighbour that was not handed everything. */
export interface Straggler {
  /** Everything after it in the log is to be handed to it, as soon as that is known. */
  after?: Seq
  /** Messages from which on it has not got everything. */
  missed: string[]
  /** When the oldest of what it is to be handed was stored, as far as that is known. */
  oldestAt?: number
}

export interface FeedsComponents {
  engine: Pick<P2PEngine, 'subscribers' | 'stragglers'>
  log: Pick<LogStore, 'position' | 'read' | 'find'>
  /** One at a time with whatever else is handed over. */
  later(work: () => Promise<void>): void
  /** The sent mark. */
  marked(): Seq
  /** Age time, which stands still while the clock is not trusted. */
  settledAge(): number
}

/** Messages that a straggler is handed at a time: about as many as it has room for when it has some. */
const feedMessages = 200

export function createFeeds(init: { limits: { unsentWindowMs: number; maxReadBytes: number } }, components: FeedsComponents): Feeds {
  const { limits } = init
  const { engine, log, later, marked, settledAge } = components
  /** By peer id. */
  const stragglers = new Map<string, Straggler>()
  /** Stragglers that have their turn to be handed some. */
  const due = new Set<string>()
  let isFeeding = false

  /** Has stragglers among the subscribers fed from a position on. Answers false when they are all that there are. */
  async function takeOver(topic: string, after: Seq): Promise<boolean> {
    const subscribers = await engine.subscribers(topic)
    for (const peerId of subscribers) {
      const straggler = stragglers.get(peerId)
      if (straggler !== undefined) straggler.after = Math.min(straggler.after ?? after, after)
    }
    return subscribers.length === 0 || !subscribers.every((peerId) => stragglers.has(peerId))
  }

  /** The position before the first of some messages, all of which hold the mark. */
  async function placeBefore(ids: Set<string>): Promise<Seq> {
    const found = await log.find([...ids], limits.maxReadBytes)
    // What is not there any more was pruned, and topics are pruned apart.
    return Math.min(...found.map(({ seq }) => seq - 1), ...(found.length < ids.size ? [marked()] : []))
  }

  /** The position after which a straggler is to be handed everything. */
  async function placeOf(straggler: Straggler): Promise<Seq> {
    const missed = new Set(straggler.missed.splice(0))
    if (missed.size === 0) return straggler.after ?? marked()
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

  function note(peerId: string, since: string): Straggler {
    const straggler = stragglers.get(peerId) ?? { missed: [] }
    straggler.missed.push(since)
    stragglers.set(peerId, straggler)
    return straggler
  }

  return {
    note,
    drop: (peerId) => void stragglers.delete(peerId),
    feed: feedLater,
    feedAll() {
      for (const peerId of stragglers.keys()) feedLater(peerId)
    },
    takeOver,
    placeOf,
    placeBefore,
    positions: (others) =>
      [...stragglers.values(), ...others].map(({ after, missed }) => (missed.length > 0 ? marked() : (after ?? marked()))),
  }
}
