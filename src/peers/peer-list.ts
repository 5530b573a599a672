import type { ConnectedPeer } from '../engine/engine.ts'
import type { Peer } from '../model/peer.ts'
import type { PeerRecord, PeerStore } from '../store/peer-store.ts'

/** A peer of a page: the engine's data, the store's, or both. */
export interface ListedPeer {
  peerId: string
  record: PeerRecord | undefined
  connected: ConnectedPeer | undefined
}

export interface PeerListQuery {
  state?: Peer['state'] | undefined
  /** Limits the list to these connected peers. */
  among?: ReadonlySet<string> | undefined
  after?: string | undefined
  /** Records per read of the store. */
  pageSize: number
}

/**
 * The peers in the order of their ids, read page by page: those in the store and those that are connected. The store
 * may lack a connected peer because it was not written yet, or was refused.
 */
export async function* listPeers(
  query: PeerListQuery,
  { store, connected }: { store: Pick<PeerStore, 'list'>; connected: ReadonlyMap<string, ConnectedPeer> },
): AsyncGenerator<ListedPeer> {
  const { state, among, after, pageSize } = query
  const linked = [...connected.keys()].filter((peerId) => after === undefined || peerId > after).toSorted()
  if (among === undefined && state !== 'connected') yield* merged()
  else yield* known(among === undefined ? linked : linked.filter((peerId) => among.has(peerId)))

  /** Connected peers, each with its record. */
  async function* known(peerIds: string[]): AsyncGenerator<ListedPeer> {
    for (let start = 0; start < peerIds.length; start += pageSize) {
      const page = peerIds.slice(start, start + pageSize)
      const records = new Map((await store.list({ peerIds: page, limit: pageSize })).map((record) => [record.peerId, record]))
      for (const peerId of page) yield { peerId, record: records.get(peerId), connected: connected.get(peerId) }
    }
  }

  /** The peers of the store, merged with those that only the engine knows. */
  async function* merged(): AsyncGenerator<ListedPeer> {
    const waiting = state === undefined ? [...linked] : []
    for (let from = after; ; ) {
      const blocked = state === undefined ? {} : { blocked: state === 'blocked' }
      const records = await store.list({ ...(from === undefined ? {} : { after: from }), ...blocked, limit: pageSize })
      for (const record of records) {
        yield* before(record.peerId)
        yield { peerId: record.peerId, record, connected: connected.get(record.peerId) }
      }
      from = records.at(-1)?.peerId
      if (records.length < pageSize) break
    }
    yield* before(undefined)

    /** Takes the waiting peers whose ids come before this one, and drops the peer itself. */
    function* before(peerId: string | undefined): Generator<ListedPeer> {
      for (let next = waiting[0]; next !== undefined && (peerId === undefined || next <= peerId); next = waiting[0]) {
        waiting.shift()
        if (next !== peerId) yield { peerId: next, record: undefined, connected: connected.get(next) }
      }
    }
  }
}
