import { setImmediate as nextTurn } from 'node:timers/promises'
import type { P2PEngine } from '../engine/engine.ts'
import { createFairRate } from '../lib/fair-rate.ts'
import { createLru } from '../lib/lru.ts'
import { createTokenBucket } from '../lib/token-bucket.ts'
import type { Limits } from '../limits.ts'
import { type Cursor, formatCursor, parseCursor, type Seq } from '../model/cursor.ts'
import { authorOf, type SignedMessage } from '../model/signed-message.ts'
import { directTopic } from '../model/topic.ts'
import type { LogStore, OutlineEntry } from '../store/log-store.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import {
  decodeHistoryRequest,
  encodeBusy,
  encodeMessages,
  encodePage,
  type HistoryPage,
  type HistoryRequest,
  historyBatchBytes,
  historyNameBytes,
  historyProtocol,
  historyRequestBytes,
  historyRowBytes,
  historyStepBytes,
} from './history-protocol.ts'

/**
 * Lists and sends messages in the log to peers, with a rate limit in bytes per second for each peer and in total. A
 * request is charged before its work is done: a page for the maximum cost of each step of the log, of which the unused
 * part is returned afterwards.
 *
 * Messages of a topic that this node has not joined are served too: publishing needs no join. Since nobody is told the
 * names of these topics, a peer gets only messages of those that it names. Sequence numbers can be guessed, so that an
 * id alone is not enough.
 *
 * The log does not say from which network a message came. Of topics that a bridge does not carry it serves its own
 * messages only, which are for both networks.
 */
export interface HistoryService {
  start(): Promise<void>
  stop(): Promise<void>
}

export type HistoryServiceLimits = Pick<Limits, 'historyBytesPerSecond' | 'historyPeerBytesPerSecond' | 'maxHistoryRequests'>

export interface HistoryServiceComponents {
  engine: Pick<P2PEngine, 'peerId' | 'bridge' | 'topics' | 'handle' | 'unhandle'>
  log: Pick<LogStore, 'position' | 'outline' | 'find'>
  metrics: Pick<Metrics, 'sentPast' | 'busyPast'>
  now?: () => number
}

/** A page ends with the step that brings it to `pageItems` messages, or after `pageSteps` steps. */
const pageItems = 500
const pageSteps = 10
/** The minimum cost in bytes of each requested id, which has to be looked up. */
const leastBytes = 200
/** Rows that a step of the log reads, at most. */
const stepRows = 2_000
/** The maximum cost of a step in bytes. */
const stepPrice = historyStepBytes + stepRows * (historyRowBytes + historyNameBytes)
/** Encoded once, since a refusal should cost next to nothing. */
const busy = encodeBusy({ retryAfterMs: 1_000 })

/** The remaining rate of a peer. */
interface Purse {
  readonly isEmpty: boolean
  pay(bytes: number): void
}
/** Peers whose rate is remembered. */
const maxPeers = 1_000

export function createHistoryService(init: { limits: HistoryServiceLimits }, components: HistoryServiceComponents): HistoryService {
  const { historyBytesPerSecond, historyPeerBytesPerSecond, maxHistoryRequests } = init.limits
  const { engine, log, metrics, now = Date.now } = components
  const all = createFairRate({ perSecond: historyBytesPerSecond })
  const shareOf = createLru({ max: maxPeers }, () =>
    createTokenBucket({ perSecond: historyPeerBytesPerSecond, burst: historyPeerBytesPerSecond }),
  )

  /** Peers with a request in progress: one at a time for each, which bounds what is charged in advance. */
  const served = new Set<string>()

  /** The seq to read after, and the epoch of the log. A position of another log means the beginning. */
  async function place(after: string | null): Promise<{ epoch: string; seq: Seq }> {
    const { epoch, tip } = await log.position()
    const cursor = after === null ? undefined : tryParse(after)
    if (cursor === undefined || cursor.epoch !== epoch) return { epoch, seq: 0 }
    return { epoch, seq: cursor.seq <= tip ? cursor.seq : 0 }
  }

  function purseOf(peerId: string): Purse {
    const own = shareOf(peerId)
    return {
      get isEmpty() {
        const at = performance.now()
        return own.left(at) <= 0 || all.isOver(peerId, at)
      },
      pay(bytes) {
        const at = performance.now()
        own.spend(at, bytes)
        all.spend(peerId, at, bytes)
      },
    }
  }

  /**
   * Lists one page. The caller has charged the first step before any wait, so that concurrent requests cannot pass
   * together. The page also ends when the purse is empty.
   */
  async function list({ topics, after, maxAgeMs }: Extract<HistoryRequest, { type: 'list' }>, purse: Purse): Promise<HistoryPage> {
    const since = now() - maxAgeMs
    const found: OutlineEntry[] = []
    const start = await place(after)
    let position = start.seq
    let caughtUp = false
    for (let step = 0; step < pageSteps && found.length < pageItems && !caughtUp; step++) {
      if (step > 0) {
        await nextTurn()
        if (purse.isEmpty) break
        purse.pay(stepPrice)
      }
      const outline = await log.outline({ topics, since, after: position })
      purse.pay(historyRowBytes * (outline.looked - stepRows) + historyNameBytes * (outline.entries.length - stepRows))
      found.push(...outline.entries.filter(isServed))
      position = outline.scanned
      caughtUp = outline.caughtUp
    }
    const at = now()
    const items = found
      .filter(({ firstSeenAt }) => firstSeenAt >= since)
      .map(({ firstSeenAt, ...entry }) => ({ ...entry, ageMs: Math.max(0, Math.round(at - firstSeenAt)) }))
    return { items, next: formatCursor(start.epoch, position), caughtUp }
  }

  async function get({ ids, topics = [] }: Extract<HistoryRequest, { type: 'get' }>): Promise<SignedMessage[]> {
    const known = new Set([...topics, ...(await engine.topics())])
    const found = (await log.find([...new Set(ids)], historyBatchBytes)).filter(isServed)
    return found.filter(({ topic }) => topic !== directTopic && known.has(topic))
  }

  function isServed({ id, topic }: Pick<OutlineEntry, 'id' | 'topic'>): boolean {
    return engine.bridge === undefined || engine.bridge.mayCarry(topic) || authorOf(id) === engine.peerId
  }

  async function answer(from: string, body: Uint8Array): Promise<Uint8Array> {
    const purse = purseOf(from)
    if (purse.isEmpty || served.has(from)) {
      metrics.busyPast()
      return busy
    }
    served.add(from)
    try {
      const request = decodeHistoryRequest(body)
      return request.type === 'list' ? await pageOf(request, purse) : await messagesOf(request, purse)
    } finally {
      served.delete(from)
    }
  }

  async function pageOf(request: Extract<HistoryRequest, { type: 'list' }>, purse: Purse): Promise<Uint8Array> {
    purse.pay(stepPrice)
    const bytes = encodePage(await list(request, purse), request.topics)
    purse.pay(bytes.length)
    return bytes
  }

  async function messagesOf(request: Extract<HistoryRequest, { type: 'get' }>, purse: Purse): Promise<Uint8Array> {
    purse.pay(historyBatchBytes)
    const messages = await get(request)
    metrics.sentPast(messages.length)
    const bytes = encodeMessages(messages)
    purse.pay(Math.max(leastBytes * request.ids.length, bytes.length) - historyBatchBytes)
    return bytes
  }

  return {
    async start() {
      await engine.handle(historyProtocol, ({ from, body }) => answer(from, body), {
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
