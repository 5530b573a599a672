import type { Logger } from 'pino'
import type { Members } from '../cluster/members.ts'
import type { P2PEngine } from '../engine/engine.ts'
import { ProtocolUnsupported } from '../errors.ts'
import { backOffMs } from '../lib/back-off.ts'
import { BoundedMap } from '../lib/bounded-map.ts'
import type { Limits } from '../limits.ts'
import type { Ingest } from '../log/ingest.ts'
import type { LogStore } from '../store/log-store.ts'
import type { RecordStore } from '../store/record-store.ts'
import type { TopicStore } from '../store/topic-store.ts'
import { createFirstRounds } from './first-rounds.ts'
import { boundsOf, type Group, groups, type HistoryBounds, wantedTopics } from './history-groups.ts'
import { historyProtocol, isHistoryId, maxHistoryMessages } from './history-protocol.ts'
import { FalseHistory, type HistoryReader, PeerBusy } from './history-reader.ts'
import { createMissedMessages, type ReadingOfLog } from './missed-messages.ts'
import { createPageTurns, type PagesOfLog } from './page-turns.ts'
import { createPeerPositions } from './peer-positions.ts'

/**
 * Fetches messages of joined topics that this gateway has missed from linked peers: soon after a peer appears, soon
 * after one has announced a message that did not come, and then periodically, since any delivery can lose a message. A
 * peer that has not joined a topic is asked for it too: it may have published to it, or left it. The position in each
 * peer's log is stored. Messages from before a topic was joined are not fetched. Others own the append (`log`), and the
 * service that other peers read from (history-service.ts).
 */
export interface CatchUp {
  start(): Promise<void>
  /** Asks all peers soon for messages that were found damaged, rather than when their next round is due. */
  lookForMissing(): void
  /** Aborts rounds in progress. The next start resumes them. */
  stop(): Promise<void>
}

export type CatchUpLimits = HistoryBounds & Pick<Limits, 'historyIntervalMs' | 'historyRoundMs' | 'maxHistoryRounds' | 'requestTimeoutMs'>

export interface CatchUpComponents {
  engine: Pick<P2PEngine, 'listen' | 'bridge' | 'topics'>
  store: { topics: Pick<TopicStore, 'list'>; records: RecordStore; log: Pick<LogStore, 'missing'> }
  reader: HistoryReader
  ingest: { order: Pick<Ingest['order'], 'holdLive' | 'holdPast' | 'missed'> }
  /** Gateways of this database, which share one log and are not asked. */
  gateways: Pick<Members, 'others'>
  logger: Logger
  now?: () => number
  random?: () => number
}

/** Milliseconds from a peer's appearance until it is asked, since its subscriptions follow at once. */
const settleMs = 250
/**
 * A peer that joins topics one after the other is asked again after a pause of so many times what the last round took,
 * since a round is about all topics.
 */
const pauses = 4
/** Milliseconds for which a peer that sent false history is not asked, and how many such peers are remembered. */
const distrustMs = 3_600_000
const maxDistrusted = 1_000
/** Milliseconds before a retry. Doubles with each failure, up to the interval. */
const firstRetryMs = 1_000
/** Milliseconds between two cleanings of stored positions. */
const cleanMs = 3_600_000
/** Milliseconds between two writes of a position while a log is being read. */
const noteMs = 1_000
/** The longest delay of a timer. One that ends early finds no peer due and is set again. */
const maxTimerMs = 2 ** 31 - 1

/** What others know of a log that is being read. */
type LogOfPeer = Record<'reading', ReadingOfLog> & Record<'pages', PagesOfLog>

interface Peer {
  /** Time of the next round, by the monotonic clock. */
  dueAt: number
  failures: number
  /** Milliseconds that the last round took. */
  tookMs: number
}

export function createCatchUp(init: { limits: CatchUpLimits }, components: CatchUpComponents): CatchUp {
  const { limits } = init
  const { engine, store, reader, ingest, gateways, logger, now = Date.now, random = Math.random } = components
  const { topics } = store
  const positions = createPeerPositions({ records: store.records, logger, now })
  const firstRounds = createFirstRounds({ engine, order: ingest.order })
  const missed = createMissedMessages(ingest)
  const turns = createPageTurns({ maxMs: limits.requestTimeoutMs })
  /** Connected peers that may serve history. */
  const peers = new Map<string, Peer>()
  const rounds = new Map<string, Promise<void>>()
  const distrusted = new BoundedMap<string, number>({ max: maxDistrusted })
  let stopping = new AbortController()
  let timer: NodeJS.Timeout | undefined
  let cleaner: NodeJS.Timeout | undefined
  let unlisten: (() => void) | undefined
  /** How many topics this bridge was told of by its peers. */
  let bridged = 0

  function appeared(peerId: string): void {
    if ((distrusted.get(peerId) ?? 0) > performance.now()) {
      firstRounds.asked(peerId)
      return
    }
    const known = peers.get(peerId)
    const dueAt = performance.now() + settleMs + pauses * (known?.tookMs ?? 0)
    if (known !== undefined && known.dueAt <= dueAt) return
    if (known === undefined) peers.set(peerId, { dueAt, failures: 0, tookMs: 0 })
    else Object.assign(known, { dueAt, failures: 0 })
    arm()
  }

  function askAll(): void {
    for (const peerId of peers.keys()) appeared(peerId)
  }

  /** Sets the timer for the peer that is due next, if a place is free. */
  function arm(): void {
    clearTimeout(timer)
    const waiting = [...peers].filter(([peerId]) => !rounds.has(peerId))
    if (stopping.signal.aborted || waiting.length === 0) return
    if (rounds.size >= limits.maxHistoryRounds) for (const [peerId] of waiting) firstRounds.listed(peerId)
    else timer = setTimeout(begin, Math.min(maxTimerMs, Math.max(0, dueFirst(waiting) - performance.now())))
  }

  function begin(): void {
    const due = [...peers]
      .filter(([peerId, { dueAt }]) => dueAt <= performance.now() && !rounds.has(peerId))
      .toSorted(([, one], [, other]) => one.dueAt - other.dueAt)
      .slice(0, limits.maxHistoryRounds - rounds.size)
    for (const [peerId, peer] of due) {
      rounds.set(
        peerId,
        run(peerId, peer).finally(() => {
          rounds.delete(peerId)
          arm()
        }),
      )
    }
    arm()
  }

  async function run(peerId: string, peer: Peer): Promise<void> {
    // `appeared` may set an earlier time during the round.
    peer.dueAt = Number.POSITIVE_INFINITY
    const began = performance.now()
    const again = (ms: number) => {
      peer.dueAt = Math.min(peer.dueAt, performance.now() + ms)
    }
    const bridgedBefore = bridged
    let isAsked = true
    using reading = missed.reading(peerId)
    using pages = turns.reading()
    try {
      const outcome = await round(peerId, { reading, pages }, stopping.signal)
      peer.failures = 0
      isAsked = outcome !== 'no topics' && bridged === bridgedBefore
      again(outcome === 'not done' ? 0 : limits.historyIntervalMs * (0.75 + random() / 2))
    } catch (err) {
      if (stopping.signal.aborted) return
      logger.debug({ err, peerId }, 'missed messages could not be fetched from a peer')
      if (err instanceof ProtocolUnsupported) peers.delete(peerId)
      else if (err instanceof FalseHistory) distrust(peerId, err)
      else if (err instanceof PeerBusy) again(Math.min(limits.historyIntervalMs, err.retryAfterMs) * (1 + random()))
      else again(backOffMs({ firstMs: firstRetryMs, lastMs: limits.historyIntervalMs }, peer.failures++, random))
    } finally {
      if (isAsked) firstRounds.asked(peerId)
      peer.tookMs = performance.now() - began
    }
  }

  function distrust(peerId: string, err: FalseHistory): void {
    logger.warn({ err, peerId }, 'a peer sent false history; it is not asked for some time')
    peers.delete(peerId)
    distrusted.set(peerId, performance.now() + distrustMs)
  }

  /**
   * Reads the peer's log to its end, or until `historyRoundMs` are over, so that other peers get their turn. A bridge may
   * have no topics yet: its peers tell it which.
   */
  async function round(peerId: string, log: LogOfPeer, signal: AbortSignal): Promise<'done' | 'not done' | 'no topics'> {
    if ((await gateways.others(0)).some((gateway) => gateway.peerId === peerId)) return 'done'
    const joined = await wantedTopics({ topics, engine })
    const reached = await positions.get(peerId)
    const names = new Set(joined.map(({ topic }) => topic))
    for (const topic of reached.keys()) if (!names.has(topic)) reached.delete(topic)
    const before = new Map(reached)
    try {
      const isDone = await readAll(peerId, groups(joined, reached), reached, log)
      if (joined.length > 0) await fetchMissing(peerId, names, signal)
      else if (engine.bridge !== undefined) return 'no topics'
      return isDone ? 'done' : 'not done'
    } finally {
      if ([...reached].some(([topic, position]) => before.get(topic) !== position)) await positions.set(peerId, reached)
    }
  }

  async function readAll(peerId: string, all: Group[], reached: Map<string, string>, log: LogOfPeer): Promise<boolean> {
    const { reading, pages } = log
    const { signal } = stopping
    const deadline = performance.now() + limits.historyRoundMs
    let noted = performance.now()
    for (const { after, group } of all) {
      const onListed = (ids: readonly string[], caughtUp: boolean) => {
        reading.listed(ids, caughtUp && group === all.at(-1)?.group)
        firstRounds.listed(peerId)
      }
      for (let position = after, caughtUp = false; !caughtUp; ) {
        if (performance.now() > deadline) return false
        const bounds = new Map(group.map((record) => [record.topic, boundsOf(record, { limits, now: now() })]))
        const page = await reader.readPage({ peerId, topics: bounds, after: position }, { signal, onListed, pages })
        position = page.next
        caughtUp = page.caughtUp
        for (const { topic } of group) reached.set(topic, position)
        if (performance.now() - noted < noteMs) continue
        await positions.set(peerId, reached)
        noted = performance.now()
      }
    }
    return true
  }

  /**
   * Fetches damaged messages of the joined topics, of any age, since they were stored here before. The peer leaves out
   * messages that it does not have. The next peer, or the next round, may have them.
   */
  async function fetchMissing(peerId: string, joined: ReadonlySet<string>, signal: AbortSignal): Promise<void> {
    for (let after = 0; ; ) {
      const page = await store.log.missing({ after, limit: maxHistoryMessages })
      const last = page.at(-1)
      if (last === undefined) return
      let wanted = page.filter(({ id, topic }) => isHistoryId(id) && (topic === undefined || joined.has(topic)))
      while (wanted.length > 0) {
        const given = await reader.fetchMissing({ peerId, topics: joined, missing: wanted }, { signal })
        if (given.size === 0) break
        wanted = wanted.filter(({ id }) => !given.has(id))
      }
      after = last.seq
    }
  }

  async function clean(): Promise<void> {
    await positions
      .forget(now() - limits.seenWindowMs)
      .catch((err: unknown) => logger.warn({ err }, 'stored positions of former peers could not be deleted; another attempt follows'))
  }

  return {
    async start() {
      stopping = new AbortController()
      unlisten = engine.listen((event) => {
        switch (event.type) {
          case 'peer:connect':
          case 'peer:update': {
            const { peerId, protocols } = event.peer
            const isFirst = firstRounds.linked(event.peer, event.type === 'peer:update' && protocols.length > 0)
            if (protocols.includes(historyProtocol) && (isFirst || !peers.has(peerId))) appeared(peerId)
            break
          }
          case 'topic:subscribe':
            appeared(event.peerId)
            break
          case 'topic:bridged':
            bridged++
            firstRounds.askedAgain(peers.keys())
            askAll()
            break
          case 'message:missed':
            // Its log has what its link had no room for.
            missed.note(event.peerId, event.ids)
            if (peers.has(event.peerId)) appeared(event.peerId)
            else missed.gone(event.peerId)
            break
          case 'peer:disconnect':
            peers.delete(event.peerId)
            missed.gone(event.peerId)
            firstRounds.gone(event.peerId)
            break
          default:
        }
      })
      await clean()
      cleaner = setInterval(() => void clean(), cleanMs)
    },
    lookForMissing: askAll,
    async stop() {
      unlisten?.()
      clearTimeout(timer)
      clearInterval(cleaner)
      stopping.abort(new Error('the gateway is stopping'))
      await Promise.all(rounds.values())
      peers.clear()
      firstRounds.stop()
    },
  }
}

function dueFirst(peers: Array<[peerId: string, peer: Peer]>): number {
  return Math.min(...peers.map(([, { dueAt }]) => dueAt))
}
