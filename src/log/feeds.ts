import type { Network } from '../engine/engine.ts'
import type { Limits } from '../limits.ts'
import type { Seq } from '../model/cursor.ts'
import type { StoredMessage } from '../model/message.ts'
import type { LogStore } from '../store/log-store.ts'
import { type Beginning, createBeginning } from './beginning.ts'

/**
 * Feeds stragglers, which are neighbours that were not handed everything (`P2PEngine.stragglers`), from the log, in
 * order, while they have room.
 */
export interface Feeds {
  /** The peer may have missed messages from `since` (a message id) on. */
  note(peerId: string, since: string): Straggler
  /** The peer has just been linked, and may not have got from others what came shortly before (`peer:begins`). */
  begin(peerId: string, pauseMs: number): void
  /** Stops feeding a peer that left. */
  drop(peerId: string): void
  /** Queues the peer to be handed some of what it missed. */
  feed(peerId: string): void
  /** `feed` for every straggler. */
  feedAll(): void
  /**
   * Makes the stragglers among the subscribers of a topic be fed from a position on. False when all subscribers are
   * stragglers.
   */
  takeOver(topic: string, after: Seq): Promise<boolean>
  /** The position after which everything has to be handed to a straggler. */
  placeOf(straggler: Straggler): Promise<Seq>
  /** The position before the first of these messages, all of which hold back the sent mark. */
  placeBefore(ids: Set<string>): Promise<Seq>
  /** The positions after which messages may still be missing at a straggler or at one of `others`. */
  positions(others: Straggler[]): Seq[]
}

/** A neighbour that was not handed everything. */
export interface Straggler {
  /** Everything after this position in the log has to be handed to it. Undefined until it is known. */
  after?: Seq
  /** Ids of the messages from which on it may have missed some. */
  missed: string[]
  /** When the oldest message that is due to it was stored, as far as known. */
  oldestAt?: number
  /** It has just been linked. */
  begins?: true
  /** The place at which it begins is being looked for. */
  search?: Search | undefined
}

interface Search {
  pauseMs: number
  /** From the first page on. */
  beginning?: Beginning
  /** The next page ends here. */
  through?: Seq
  /** Whether the peer is subscribed to a topic. */
  topics: Map<string, boolean>
}

export interface FeedsComponents {
  network: Pick<Network, 'subscribers' | 'stragglers'>
  log: Pick<LogStore, 'position' | 'read' | 'find'>
  /** Queues work behind other hand-overs; one runs at a time. */
  later(work: () => Promise<void>): void
  /** The sent mark. */
  marked(): Seq
  /** Age time, which stands still while the clock is not trusted. */
  settledAge(): number
}

/** Maximum number of messages handed to a straggler at a time: about what it has room for once it has any. */
const feedMessages = 200

export interface FeedsInit {
  limits: Pick<Limits, 'unsentWindowMs' | 'maxReadBytes'>
  /** See `NetworkOutboundInit`. */
  isToFeed(message: StoredMessage): boolean
  /** The same for one that has just been linked, until it is no longer a straggler. */
  isToBegin(message: StoredMessage): boolean
}

export function createFeeds(init: FeedsInit, components: FeedsComponents): Feeds {
  const { limits, isToFeed, isToBegin } = init
  const { network, log, later, marked, settledAge } = components
  /** By peer id. */
  const stragglers = new Map<string, Straggler>()
  /** Peer ids of the stragglers that are queued to be fed. */
  const due = new Set<string>()
  let isFeeding = false

  /**
   * Makes the stragglers among the subscribers of a topic be fed from a position on. False when all subscribers are
   * stragglers.
   */
  async function takeOver(topic: string, after: Seq): Promise<boolean> {
    const subscribers = await network.subscribers(topic)
    for (const peerId of subscribers) {
      const straggler = stragglers.get(peerId)
      if (straggler !== undefined) straggler.after = Math.min(straggler.after ?? after, after)
    }
    return subscribers.length === 0 || !subscribers.every((peerId) => stragglers.has(peerId))
  }

  /** The position before the first of these messages, all of which hold back the sent mark. */
  async function placeBefore(ids: Set<string>): Promise<Seq> {
    const found = await log.find([...ids], limits.maxReadBytes)
    // A missing message was pruned, and topics are pruned separately.
    return Math.min(...found.map(({ seq }) => seq - 1), ...(found.length < ids.size ? [marked()] : []))
  }

  /** The position after which everything has to be handed to a straggler. */
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
   * Hands a straggler some of what it missed; the rest queues behind other work. A straggler without room costs only
   * the read that finds out what has become too old for it.
   */
  async function feed(peerId: string, straggler: Straggler): Promise<void> {
    if (network.stragglers === undefined) return
    const hasRoom = network.stragglers.hasRoom(peerId)
    if (straggler.search !== undefined) {
      // It cannot be sent to yet, and its topics are not known.
      if (!hasRoom) return
      if (!(await findBeginning(peerId, straggler, straggler.search))) return feedLater(peerId)
    }
    const storedSince = settledAge() - limits.unsentWindowMs
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
    const oldest = hasRoom ? await feedStep(peerId, straggler, step.messages) : step.messages[0]
    straggler.after = oldest === undefined ? step.scanned : oldest.seq - 1
    straggler.oldestAt = oldest?.storedAt ?? 0
    // The peer may have left and come back meanwhile.
    if (oldest !== undefined || stragglers.get(peerId) !== straggler) return
    if (step.scanned >= tip && network.stragglers.settle(peerId)) stragglers.delete(peerId)
    else feedLater(peerId)
  }

  /** Reads one page. Returns whether the place to begin is found. */
  async function findBeginning(peerId: string, straggler: Straggler, search: Search): Promise<boolean> {
    const { tip } = await log.position()
    search.beginning ??= createBeginning({ now: settledAge(), pauseMs: search.pauseMs, tip })
    const step = await log.read({
      after: 0,
      through: search.through ?? tip,
      order: 'desc',
      limit: feedMessages,
      maxBytes: limits.maxReadBytes,
      kind: 'topic',
      storedSince: settledAge() - limits.unsentWindowMs,
    })
    for (const topic of new Set(step.messages.map((message) => message.topic)))
      if (!search.topics.has(topic)) search.topics.set(topic, (await network.subscribers(topic)).includes(peerId))
    const last = step.messages.at(-1)
    const wanted = step.messages.filter(
      (message) => message.from !== peerId && search.topics.get(message.topic) === true && isToBegin(message),
    )
    const needsMore = search.beginning.add(wanted)
    if (needsMore && last !== undefined && last.seq > 1) {
      search.through = last.seq - 1
      return false
    }
    const place = search.beginning.place()
    straggler.after = Math.min(straggler.after ?? place, place)
    straggler.search = undefined
    return true
  }

  /** Returns the first message that there was no room for. */
  async function feedStep(peerId: string, { begins }: Straggler, step: StoredMessage[]): Promise<StoredMessage | undefined> {
    const messages = step.filter((message) => message.from !== peerId && (begins ? isToBegin(message) : isToFeed(message)))
    return messages[(await network.stragglers?.send(peerId, messages)) ?? 0]
  }

  function feedLater(peerId: string): void {
    due.add(peerId)
    if (isFeeding) return
    isFeeding = true
    later(feedNext)
  }

  /** Feeds one straggler at a time, so that new messages wait for at most one of them. */
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
    begin(peerId, pauseMs) {
      const straggler = stragglers.get(peerId) ?? { missed: [] }
      straggler.begins = true
      straggler.search = { pauseMs, topics: new Map() }
      stragglers.set(peerId, straggler)
      network.stragglers?.hold(peerId)
      feedLater(peerId)
    },
    drop: (peerId) => void stragglers.delete(peerId),
    feed: feedLater,
    feedAll() {
      for (const peerId of stragglers.keys()) feedLater(peerId)
    },
    takeOver,
    placeOf,
    placeBefore,
    positions: (others) =>
      [...stragglers.values(), ...others]
        // One that begins was kept from nothing that would be lost here.
        .filter(({ search, after, missed }) => search === undefined || after !== undefined || missed.length > 0)
        .map(({ after, missed }) => (missed.length > 0 ? marked() : (after ?? marked()))),
  }
}
