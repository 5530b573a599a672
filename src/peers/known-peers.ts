import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { P2PEngine } from '../engine/engine.ts'
import { createDeadline } from '../lib/deadline.ts'
import type { PeerRecord, PeerStore } from '../store/peer-store.ts'

const pageSize = 500

/** Yields the peers of the store in the order of their ids, read page by page. */
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

/** Concurrent dials: enough that unreachable peers do not hold up the others, few enough for a peer's inbound limit. */
const concurrency = 4

/**
 * Pauses before the next attempt, in milliseconds: a peer that was started at the same time, or is busy, answers a
 * little later.
 */
const defaultPausesMs = [2_000, 5_000, 10_000, 20_000, 40_000]

export interface RedialComponents {
  engine: Pick<P2PEngine, 'dial' | 'peers'>
  store: Pick<PeerStore, 'list' | 'get'>
  logger: Logger
  signal: AbortSignal
}

/**
 * Dials the peers seen last, except those that are blocked or already linked. Tries the addresses of each in turn until
 * one answers, and tries the peers that did not answer again after each pause.
 */
export async function redialKnownPeers(
  init: { maxRemembered: number; dialTimeoutMs: number; pausesMs?: readonly number[] },
  components: RedialComponents,
): Promise<void> {
  const { maxRemembered, dialTimeoutMs, pausesMs = defaultPausesMs } = init
  const { engine, store, logger, signal } = components

  /** Returns whether a link to the peer exists afterwards. */
  async function redial(peer: PeerRecord): Promise<boolean> {
    if ((await engine.peers()).some(({ peerId }) => peerId === peer.peerId)) return true
    for (const { multiaddr, source } of peer.addresses) {
      if (signal.aborted) return false
      try {
        using deadline = createDeadline(dialTimeoutMs, [signal])
        await engine.dial(multiaddr, { source, signal: deadline.signal, isAsked: false, isRemembered: true })
        return true
      } catch (error) {
        logger.debug({ err: error, peerId: peer.peerId }, 'known peer did not answer at one of its addresses')
      }
    }
    return false
  }

  /** Returns the peers that were not reached. */
  async function redialAll(peers: PeerRecord[]): Promise<PeerRecord[]> {
    const missing: PeerRecord[] = []
    // All workers share one iterator, so each peer is taken once.
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

  /** The records of the peers, except those that were blocked or forgotten meanwhile. */
  async function stillKnown(peers: PeerRecord[]): Promise<PeerRecord[]> {
    const records = await Promise.all(peers.map(({ peerId }) => store.get(peerId)))
    return records.flatMap((record) => (record === undefined || record.blocked ? [] : record))
  }

  let missing = await redialAll(await lastSeen(store, maxRemembered))
  for (const pauseMs of pausesMs) {
    if (missing.length === 0 || signal.aborted) return
    // The timer must not keep the process alive. A stop ends the pause.
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
