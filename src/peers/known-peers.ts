import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { P2PEngine } from '../engine/engine.ts'
import type { PeerRecord, PeerStore } from '../store/peer-store.ts'

const pageSize = 500

/** The store's peers, page by page, by peer id. */
export async function* scanPeers(store: Pick<PeerStore, 'list'>, filter: { blocked?: boolean } = {}): AsyncGenerator<PeerRecord> {
  let after = ''
  for (;;) {
    const page = await store.list({ ...filter, after, limit: pageSize })
    yield* page
    const last = page.at(-1)
    if (last === undefined || page.length < pageSize) return
    after = last.peerId
  }
}

/** Dials in progress at once: enough that peers which are gone do not hold up the others, few enough for a peer's inbound limit. */
const concurrency = 4

/** Milliseconds before those that did not answer are tried again: a peer that was started at the same time, or is busy, does a little later. */
const defaultPausesMs = [2_000, 5_000, 10_000, 20_000, 40_000]

export interface RedialComponents {
  engine: Pick<P2PEngine, 'dial' | 'peers'>
  store: Pick<PeerStore, 'list' | 'get'>
  logger: Logger
  signal: AbortSignal
}

/**
 * Dials the peers seen last, those that are blocked or there already excepted, each at its addresses in turn until one answers; those that
 * do not answer some times more.
 */
export async function redialKnownPeers(
  init: { maxRemembered: number; dialTimeoutMs: number; pausesMs?: readonly number[] },
  components: RedialComponents,
): Promise<void> {
  const { maxRemembered, dialTimeoutMs, pausesMs = defaultPausesMs } = init
  const { engine, store, logger, signal } = components

  /** Whether there is a link to the peer then. */
  async function redial(peer: PeerRecord): Promise<boolean> {
    if ((await engine.peers()).some(({ peerId }) => peerId === peer.peerId)) return true
    for (const { multiaddr, source } of peer.addresses) {
      if (signal.aborted) return false
      try {
        const deadline = AbortSignal.any([signal, AbortSignal.timeout(dialTimeoutMs)])
        await engine.dial(multiaddr, { source, signal: deadline, isAsked: false, isRemembered: true })
        return true
      } catch (error) {
        logger.debug({ err: error, peerId: peer.peerId }, 'a known peer did not answer at one of its addresses')
      }
    }
    return false
  }

  /** Answers those that were not reached. */
  async function redialAll(peers: PeerRecord[]): Promise<PeerRecord[]> {
    const missing: PeerRecord[] = []
    // One iterator for all workers, so each peer is taken once.
    const each = peers.values()
    const work = async () => {
      for (const peer of each) {
        if (signal.aborted) return
        if (!(await redial(peer))) missing.push(peer)
      }
    }
    await Promise.all(Array.from({ length: concurrency }, work))
    return missing
  }

  /** Without those that were blocked or forgotten meanwhile. */
  async function stillKnown(peers: PeerRecord[]): Promise<PeerRecord[]> {
    const records = await Promise.all(peers.map(({ peerId }) => store.get(peerId)))
    return records.flatMap((record) => (record === undefined || record.blocked ? [] : record))
  }

  let missing = await redialAll(await lastSeen(store, maxRemembered))
  for (const pauseMs of pausesMs) {
    if (missing.length === 0 || signal.aborted) return
    // Nothing waits for what comes late; a stop ends it.
    await delay(pauseMs, undefined, { signal, ref: false }).catch(() => undefined)
    if (!signal.aborted) missing = await redialAll(await stillKnown(missing))
  }
}

async function lastSeen(store: Pick<PeerStore, 'list'>, count: number): Promise<PeerRecord[]> {
  if (count === 0) return []
  let newest: PeerRecord[] = []
  for await (const peer of scanPeers(store, { blocked: false })) {
    if (peer.addresses.length === 0) continue
    newest.push(peer)
    if (newest.length >= 2 * count) newest = newestFirst(newest).slice(0, count)
  }
  return newestFirst(newest).slice(0, count)
}

function newestFirst(peers: PeerRecord[]): PeerRecord[] {
  return peers.toSorted((a, b) => b.lastSeen - a.lastSeen)
}
