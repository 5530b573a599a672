import type { Logger } from 'pino'
import type { P2PEngine } from './engine/engine.ts'
import type { PeerRecord, PeerStore } from './store/store.ts'

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

export interface RedialComponents {
  engine: Pick<P2PEngine, 'dial' | 'peers'>
  store: Pick<PeerStore, 'list'>
  log: Logger
  signal: AbortSignal
}

/** Dials the peers seen last, those that are blocked or there already excepted, each at its addresses in turn until one answers. */
export async function redialKnownPeers(
  init: { maxRemembered: number; dialTimeoutMs: number },
  components: RedialComponents,
): Promise<void> {
  const { engine, store, log, signal } = components
  const peers = (await lastSeen(store, init.maxRemembered)).values()

  async function redial(peer: PeerRecord): Promise<void> {
    if ((await engine.peers()).some(({ peerId }) => peerId === peer.peerId)) return
    for (const { multiaddr, source } of peer.addresses) {
      if (signal.aborted) return
      try {
        const deadline = AbortSignal.any([signal, AbortSignal.timeout(init.dialTimeoutMs)])
        await engine.dial(multiaddr, { source, signal: deadline, isAsked: false, isRemembered: true })
        return
      } catch (error) {
        log.debug({ err: error, peerId: peer.peerId }, 'a known peer did not answer at one of its addresses')
      }
    }
  }

  async function work(): Promise<void> {
    // One iterator for all workers, so each peer is taken once.
    for (const peer of peers) {
      if (signal.aborted) return
      await redial(peer)
    }
  }

  await Promise.all(Array.from({ length: concurrency }, work))
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
