import { setImmediate as nextTurn } from 'node:timers/promises'
import { createByPeer } from '../by-peer.ts'
import type { P2PEngine } from '../engine/engine.ts'
import type { Metrics } from '../metrics.ts'
import { type Cursor, formatCursor, parseCursor, type Seq } from '../model/cursor.ts'
import type { SignedMessage } from '../model/signed-message.ts'
import { directTopic } from '../model/topic.ts'
import type { LogStore, OutlineEntry } from '../store/store.ts'
import { createTokenBucket } from '../token-bucket.ts'
import {
  decodeHistoryRequest,
  encodeBusy,
  encodeMessages,
  encodePage,
  type HistoryPage,
  type HistoryRequest,
  historyBatchBytes,
  historyProtocol,
  historyRequestBytes,
} from './history-protocol.ts'

interface Priced {
  bytes: Uint8Array
  /** In bytes. */
  cost: number
}

/** Tells peers what the log has of the topics that are joined here, and gives it to them: so many bytes a second, to each and in all. */
export interface HistoryService {
  start(): Promise<void>
  stop(): Promise<void>
}

export interface HistoryServiceLimits {
  historyBytesPerSecond: number
  historyPeerBytesPerSecond: number
  maxHistoryRequests: number
}

export interface HistoryServiceComponents {
  engine: Pick<P2PEngine, 'topics' | 'handle' | 'unhandle'>
  log: Pick<LogStore, 'epoch' | 'position' | 'outline' | 'find'>
  metrics: Pick<Metrics, 'sentPast'>
  now?: () => number
}

/** A page ends with the step that brings it to so many, or after so many steps. */
const pageItems = 500
const pageSteps = 10
/** What a request costs at least, whatever it is answered, and a step of the log, in which two thousand rows are looked at. */
const leastBytes = 4_096
const stepBytes = 16_384
const retryAfterMs = 1_000
/** Peers whose share is counted. */
const maxPeers = 1_000

export function createHistoryService(init: { limits: HistoryServiceLimits }, components: HistoryServiceComponents): HistoryService {
  const { historyBytesPerSecond, historyPeerBytesPerSecond, maxHistoryRequests } = init.limits
  const { engine, log, metrics, now = Date.now } = components
  const all = createTokenBucket({ perSecond: historyBytesPerSecond, burst: historyBytesPerSecond })
  const shareOf = createByPeer({ max: maxPeers }, () =>
    createTokenBucket({ perSecond: historyPeerBytesPerSecond, burst: historyPeerBytesPerSecond }),
  )

  /** The number after which to read: of another log it is the beginning. */
  async function place(after: string | null): Promise<Seq> {
    const cursor = after === null ? undefined : tryParse(after)
    if (cursor === undefined || cursor.epoch !== (await log.epoch())) return 0
    return cursor.seq <= (await log.position()).tip ? cursor.seq : 0
  }

  async function list({
    topics,
    after,
    maxAgeMs,
  }: Extract<HistoryRequest, { type: 'list' }>): Promise<{ page: HistoryPage; steps: number }> {
    const joined = new Set(await engine.topics())
    const since = now() - maxAgeMs
    const found: OutlineEntry[] = []
    const query = { topics: topics.filter((topic) => joined.has(topic)), since }
    let position = await place(after)
    let caughtUp = false
    let step = 0
    for (; step < pageSteps && found.length < pageItems && !caughtUp; step++) {
      if (step > 0) await nextTurn()
      const outline = await log.outline({ ...query, after: position })
      found.push(...outline.entries)
      position = outline.scanned
      caughtUp = outline.caughtUp
    }
    const at = now()
    const items = found
      .filter(({ firstSeenAt }) => firstSeenAt >= since)
      .map(({ firstSeenAt, ...entry }) => ({ ...entry, ageMs: Math.max(0, Math.round(at - firstSeenAt)) }))
    return { page: { items, next: formatCursor(await log.epoch(), position), caughtUp }, steps: step }
  }

  async function get({ ids }: Extract<HistoryRequest, { type: 'get' }>): Promise<SignedMessage[]> {
    const joined = new Set(await engine.topics())
    return (await log.find(ids, historyBatchBytes)).filter(({ topic }) => topic !== directTopic && joined.has(topic))
  }

  /** Paid for before it is worked on, so that many at once do not pass together; what it did not cost is given back. */
  async function answer(from: string, request: HistoryRequest): Promise<Uint8Array> {
    const buckets = [all, shareOf(from)]
    if (buckets.some((bucket) => bucket.left(performance.now()) <= 0)) return encodeBusy({ retryAfterMs })
    const price = request.type === 'list' ? pageSteps * stepBytes : historyBatchBytes
    for (const bucket of buckets) bucket.spend(performance.now(), price)
    const { bytes, cost } = request.type === 'list' ? await pageOf(request) : await messagesOf(request)
    for (const bucket of buckets) bucket.spend(performance.now(), cost - price)
    return bytes
  }

  async function pageOf(request: Extract<HistoryRequest, { type: 'list' }>): Promise<Priced> {
    const { page, steps } = await list(request)
    const bytes = encodePage(page, request.topics)
    return { bytes, cost: bytes.length + steps * stepBytes }
  }

  async function messagesOf(request: Extract<HistoryRequest, { type: 'get' }>): Promise<Priced> {
    const messages = await get(request)
    metrics.sentPast(messages.length)
    const bytes = encodeMessages(messages)
    return { bytes, cost: Math.max(leastBytes, bytes.length) }
  }

  return {
    async start() {
      await engine.handle(historyProtocol, ({ from, body }) => answer(from, decodeHistoryRequest(body)), {
        maxRequestBytes: historyRequestBytes,
        maxConcurrent: maxHistoryRequests,
      })
    },
    async stop() {
      await engine.unhandle(historyProtocol)
    },
  }
}

function tryParse(after: string): Cursor | undefined {
  try {
    return parseCursor(after)
  } catch {
    return undefined
  }
}
