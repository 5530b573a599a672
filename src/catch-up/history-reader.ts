import { setImmediate as nextTurn } from 'node:timers/promises'
import type { NetworkKind, P2PEngine } from '../engine/engine.ts'
import { createLru } from '../lib/lru.ts'
import { createTokenBucket, pace } from '../lib/token-bucket.ts'
import type { Limits } from '../limits.ts'
import type { Ingest } from '../log/ingest.ts'
import { createAuthors, verifyBeside } from '../model/authors.ts'
import { messageId, type SignedMessage } from '../model/signed-message.ts'
import type { LogStore, Missing } from '../store/log-store.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { batches, inOrder } from './history-batches.ts'
import {
  type Busy,
  decodeMessages,
  decodePage,
  encodeHistoryRequest,
  type HistoryPage,
  type HistoryRequest,
  historyBatchBytes,
  historyListBytes,
  historyMessagesBytes,
  historyNameBytes,
  historyProtocol,
  historyRowBytes,
  historyStepBytes,
  type Listed,
  maxHistoryTopics,
} from './history-protocol.ts'
import type { PagesOfLog } from './page-turns.ts'

/** Reads the log of a peer page by page and ingests the messages that are missing here. */
export interface HistoryReader {
  /**
   * Ingests missing messages after the position, and returns the next position. If it rejects, the page has to be read
   * again.
   * @throws PeerBusy, NoRoom
   * @throws FalseHistory when the peer's answer breaks the protocol
   * @throws what the engine's `request` throws
   */
  readPage(query: HistoryQuery, options: ReadOptions): Promise<Pick<HistoryPage, 'next' | 'caughtUp'>>
  /**
   * Ingests messages that were damaged here, if their topics are joined. Returns the ids of the messages that the peer
   * has sent, which may be only a part of those it has.
   * @throws what `readPage` throws
   */
  fetchMissing(query: MissingQuery, options: { signal: AbortSignal }): Promise<Set<string>>
}

export interface MissingQuery {
  peerId: string
  topics: ReadonlySet<string>
  /** At most `maxHistoryMessages`. */
  missing: Missing[]
}

export interface HistoryQuery {
  peerId: string
  /** By topic, the oldest times of messages to accept (milliseconds since 1970). */
  topics: ReadonlyMap<string, { kept: number; joined: number }>
  after: string | null
}

export interface ReadOptions {
  signal: AbortSignal
  /** Called before these messages are fetched. `caughtUp`: the log has nothing after them. */
  onListed?: (ids: readonly string[], caughtUp: boolean) => void
  /** Those of the peer's log, whose messages are fetched in their turn. */
  pages?: PagesOfLog
}

/** The peer's rate limit for history is exceeded. */
export class PeerBusy extends Error {
  override readonly name = 'PeerBusy'
  readonly retryAfterMs: number

  constructor({ retryAfterMs }: Busy) {
    super('the peer limits the rate of history requests')
    this.retryAfterMs = retryAfterMs
  }
}

/** The inbox has no room for the fetched messages now. */
export class NoRoom extends Error {
  override readonly name = 'NoRoom'
}

/** The peer's answer is false: a bad signature, a message that was not requested, or a page that does not advance. */
export class FalseHistory extends Error {
  override readonly name = 'FalseHistory'
}

export type HistoryReaderLimits = Pick<
  Limits,
  'maxMessageBytes' | 'historyBytesPerSecond' | 'historyPeerBytesPerSecond' | 'requestTimeoutMs'
>

export interface HistoryReaderComponents {
  engine: Pick<P2PEngine, 'request' | 'peers' | 'bridge'>
  log: Pick<LogStore, 'unknown'>
  ingest: Pick<Ingest, 'takePast' | 'letIn' | 'order'>
  metrics: Pick<Metrics, 'receivedPast'>
  now?: () => number
}

/** Ids that are looked up in one turn: some milliseconds. */
const lookedUpAtOnce = 500
/** Peers whose rate is remembered. */
const maxPeers = 1_000

/** A message to fetch. `firstSeenAt` is never too late: the time of the request makes the message look older. */
interface Wanted extends Listed {
  firstSeenAt: number
}

/** A message that a peer may send. Without `topic`, any topic is accepted. */
interface Expected {
  id: string
  topic?: string
  firstSeenAt: number
}

interface Fetch {
  expected: Expected[]
  /** The topics that the request names, at most `maxHistoryTopics`. */
  topics: string[]
  bytes: number
  isWanted?: (topic: string) => boolean
  /** Called with the ids of those that the peer's answer leaves out, before the others are stored. */
  onLeftOut?: (ids: string[]) => void
}

export function createHistoryReader(init: { limits: HistoryReaderLimits }, components: HistoryReaderComponents): HistoryReader {
  const { maxMessageBytes, historyBytesPerSecond, historyPeerBytesPerSecond, requestTimeoutMs } = init.limits
  const { engine, log, ingest, metrics, now = Date.now } = components
  const authors = createAuthors()
  const all = createTokenBucket({ perSecond: historyBytesPerSecond, burst: 0 })
  const shareOf = createLru({ max: maxPeers }, () => createTokenBucket({ perSecond: historyPeerBytesPerSecond, burst: 0 }))

  async function ask(
    peerId: string,
    request: HistoryRequest,
    maxAnswerBytes: number,
    signal: AbortSignal,
  ): Promise<{ answer: Uint8Array; answeredAt: number }> {
    const answer = await engine.request(peerId, historyProtocol, encodeHistoryRequest(request), { signal, maxAnswerBytes })
    const answeredAt = now()
    await count(peerId, answer.length, signal)
    return { answer, answeredAt }
  }

  /** Counts received bytes, and delays the next step while the rate is exceeded. */
  async function count(peerId: string, bytes: number, signal: AbortSignal): Promise<void> {
    await Promise.all([pace(all, bytes, signal), pace(shareOf(peerId), bytes, signal)])
  }

  /** Looks ids up in steps, since a look-up in an embedded database blocks the event loop. */
  async function findUnknown(ids: string[]): Promise<Set<string>> {
    const unknown = new Set<string>()
    for (let at = 0; at < ids.length; at += lookedUpAtOnce) {
      for (const id of await log.unknown(ids.slice(at, at + lookedUpAtOnce))) unknown.add(id)
      await nextTurn()
    }
    return unknown
  }

  /** The listed messages that are recent enough, not from before the join, and not too large. */
  function choose(
    items: Listed[],
    topics: HistoryQuery['topics'],
    { askedAt, answeredAt }: { askedAt: number; answeredAt: number },
  ): Wanted[] {
    return items.flatMap((item) => {
      const bounds = topics.get(item.topic)
      if (bounds === undefined || item.bytes > maxMessageBytes) return []
      const firstSeenAt = askedAt - item.ageMs
      return firstSeenAt >= bounds.kept && answeredAt - item.ageMs >= bounds.joined ? { ...item, firstSeenAt } : []
    })
  }

  /**
   * Fetches and ingests messages, except those of unwanted topics. Returns the ids of all that the peer has sent, or that
   * are here and wait to be stored.
   */
  async function fetch(
    peerId: string,
    { expected, topics, bytes, isWanted = () => true, onLeftOut }: Fetch,
    signal: AbortSignal,
  ): Promise<Set<string>> {
    using here = ingest.letIn(new Set(expected.map(({ id }) => id)))
    const asked = expected.filter(({ id }) => !here.messages.has(id))
    const given = await get(peerId, { expected: asked, topics, bytes }, signal)
    onLeftOut?.(asked.flatMap(({ id }) => (given.has(id) ? [] : id)))
    const past = expected.flatMap(({ id, firstSeenAt }) => {
      const message = here.messages.get(id) ?? given.get(id)
      return message === undefined ? [] : { message, firstSeenAt }
    })
    const wanted = past.filter(({ message }) => isWanted(message.topic))
    const outcome = await ingest.takePast(wanted, engine.bridge === undefined ? [] : await networksOf(peerId))
    if (outcome === undefined) throw new NoRoom('the inbox has no room for fetched messages')
    metrics.receivedPast(outcome)
    return new Set(past.map(({ message }) => messageId(message.from, message.sequence)))
  }

  async function networksOf(peerId: string): Promise<readonly NetworkKind[]> {
    return (await engine.peers()).find((peer) => peer.peerId === peerId)?.networks ?? []
  }

  async function get(peerId: string, { expected, topics, bytes }: Fetch, signal: AbortSignal): Promise<Map<string, SignedMessage>> {
    if (expected.length === 0) return new Map()
    const request = { type: 'get' as const, ids: expected.map(({ id }) => id), topics }
    const { answer } = await ask(peerId, request, historyMessagesBytes(expected.length, bytes), signal)
    const given = attempt(() => decodeMessages(answer))
    if ('retryAfterMs' in given) throw new PeerBusy(given)
    return await check(given.messages, expected)
  }

  /** Returns the messages by id. @throws FalseHistory */
  async function check(messages: SignedMessage[], list: Expected[]): Promise<Map<string, SignedMessage>> {
    const expected = new Map(list.map((item) => [item.id, item]))
    const checked = new Map<string, SignedMessage>()
    const verified: Array<Promise<boolean>> = []
    for (const message of messages) {
      const id = messageId(message.from, message.sequence)
      const item = expected.get(id)
      const isOfAnother = item?.topic !== undefined && item.topic !== message.topic
      if (item === undefined || isOfAnother || !expected.delete(id)) throw falseMessage()
      verified.push(verifyBeside(authors, message))
      checked.set(id, message)
    }
    // At most `maxHistoryMessages`, verified off the event loop.
    if (!(await Promise.all(verified)).every(Boolean)) throw falseMessage()
    return checked
  }

  function falseMessage(): FalseHistory {
    metrics.receivedPast({ forged: 1 })
    return new FalseHistory('the peer sent a message with a bad signature, or one that was not requested')
  }

  return {
    fetchMissing({ peerId, topics, missing }, { signal }) {
      // The topic and the size of a damaged message are not reliable.
      const expected = missing.map(({ id, firstSeenAt }) => ({ id, firstSeenAt }))
      const bytes = historyBatchBytes + maxMessageBytes
      return fetch(peerId, { expected, topics: named(missing, topics), bytes, isWanted: (topic) => topics.has(topic) }, signal)
    },
    async readPage({ peerId, topics, after }, { signal, onListed, pages }) {
      const names = [...topics.keys()]
      const askedAt = now()
      const oldest = Math.min(...Array.from(topics.values(), ({ kept, joined }) => Math.max(kept, joined)))
      // The peer measures ages from its receipt of the request. Without the request's timeout on top it would leave out
      // the oldest wanted messages for good, since the next request continues after them.
      const maxAgeMs = Math.max(0, Math.ceil(askedAt - oldest)) + requestTimeoutMs
      const { answer, answeredAt } = await ask(peerId, { type: 'list', topics: names, after, maxAgeMs }, historyListBytes, signal)
      const page = attempt(() => decodePage(answer, names))
      if ('retryAfterMs' in page) throw new PeerBusy(page)
      if (page.next === after && !page.caughtUp) throw new FalseHistory('the peer sent a page that does not advance')
      const candidates = choose(page.items, topics, { askedAt, answeredAt })
      await count(peerId, historyStepBytes + page.items.length * (historyRowBytes + historyNameBytes), signal)
      const unknown = await findUnknown(candidates.map(({ id }) => id))
      const missing = inOrder(candidates.filter(({ id }) => unknown.delete(id)))
      const ids = missing.map(({ id }) => id)
      using fetching = ingest.order.fetching(ids, peerId)
      onListed?.(ids, page.caughtUp)
      const until = askedAt - Math.min(...page.items.map(({ ageMs }) => ageMs))
      pages?.listed({ missing, until, hasNext: !page.caughtUp })
      for (const batch of batches(missing)) {
        await pages?.turn(batch)
        fetching.request(batch.map(({ id }) => id))
        const [named, bytes] = [new Set(batch.map(({ topic }) => topic)), batch.reduce((sum, item) => sum + item.bytes, 0)]
        const onLeftOut = (leftOut: string[]) => ingest.order.missed(leftOut, peerId)
        await fetch(peerId, { expected: batch, topics: [...named], bytes, onLeftOut }, signal)
      }
      return page
    },
  }
}

/** @throws FalseHistory when `read` throws */
function attempt<Result>(read: () => Result): Result {
  try {
    return read()
  } catch (cause) {
    throw new FalseHistory('the peer sent an answer that is not valid', { cause })
  }
}

/**
 * The joined topics to name for damaged messages: those that they are of, then others, since the topic of a message may
 * be unknown. Of further topics the peer gives what it has joined itself.
 */
function named(missing: Missing[], joined: ReadonlySet<string>): string[] {
  const known = missing.flatMap(({ topic }) => (topic !== undefined && joined.has(topic) ? topic : []))
  const others = known.length < missing.length ? joined : []
  return [...new Set([...known, ...others])].slice(0, maxHistoryTopics)
}
