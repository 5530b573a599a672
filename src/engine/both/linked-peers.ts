import { createWatchers } from '../../lib/watchers.ts'
import type { ConnectedPeer, EngineEvent, P2PEngine } from '../engine.ts'
import { mergedExchange } from '../peer-traffic.ts'
import { bestPath } from '../reach/link-path.ts'

/**
 * The peers of two engines as those of one. A peer connects with its first link and disconnects with its last; its view
 * is made of those that the engines have of it.
 */
export interface LinkedPeers<Engine> {
  /** All linked peers, each listed once. */
  peers(): Promise<ConnectedPeer[]>
  /** The peer as last told by the engines; undefined when it is not linked. */
  peerOf(peerId: string): ConnectedPeer | undefined
  /** The engine whose link is the path to the peer; undefined when it is not linked. */
  engineOf(peerId: string): Promise<Engine | undefined>
  /** The notices of both engines, and those of `tell`. */
  listen: P2PEngine['listen']
  tell(event: EngineEvent): void
}

export function createLinkedPeers<Engine extends Pick<P2PEngine, 'listen' | 'peers'>>(engines: readonly Engine[]): LinkedPeers<Engine> {
  const watchers = createWatchers<[event: EngineEvent]>()
  /** By engine, the views of its linked peers. */
  const told = engines.map(() => new Map<string, ConnectedPeer>())

  function peerOf(peerId: string): ConnectedPeer | undefined {
    return merge(told.flatMap((views) => views.get(peerId) ?? []))
  }

  /** The event of one engine as an event of both. */
  function merged(event: EngineEvent, views: Map<string, ConnectedPeer>): EngineEvent {
    switch (event.type) {
      case 'peer:connect':
      case 'peer:update': {
        const wasLinked = peerOf(event.peer.peerId) !== undefined
        views.set(event.peer.peerId, event.peer)
        return { type: wasLinked ? 'peer:update' : 'peer:connect', peer: peerOf(event.peer.peerId) ?? event.peer }
      }
      case 'peer:disconnect': {
        views.delete(event.peerId)
        const left = peerOf(event.peerId)
        return left === undefined ? event : { type: 'peer:update', peer: left }
      }
      default:
        return event
    }
  }

  for (const [index, engine] of engines.entries()) {
    const views = told[index] ?? new Map()
    engine.listen((event) => watchers.tell(merged(event, views)))
  }

  return {
    async peers() {
      const all = (await Promise.all(engines.map((engine) => engine.peers()))).flat()
      return [...Map.groupBy(all, ({ peerId }) => peerId).values()].flatMap((views) => merge(views) ?? [])
    },
    peerOf,
    async engineOf(peerId) {
      const links = await Promise.all(
        engines.map(async (engine) => {
          const peer = (await engine.peers()).find((each) => each.peerId === peerId)
          return peer === undefined ? [] : [{ engine, path: peer.path }]
        }),
      )
      return bestPath(links.flat())?.engine
    },
    listen: watchers.watch,
    tell: (event) => watchers.tell(event),
  }
}

/** The view of a peer from those that engines have of it; undefined without any. */
function merge(views: ConnectedPeer[]): ConnectedPeer | undefined {
  const [first, ...others] = views
  if (first === undefined || others.length === 0) return first
  return {
    ...first,
    networks: views.flatMap(({ networks }) => networks),
    multiaddrs: [...new Set(views.flatMap(({ multiaddrs }) => multiaddrs))],
    path: bestPath(views)?.path ?? first.path,
    agent: views.map(({ agent }) => agent).find((agent) => agent !== null) ?? null,
    protocols: [...new Set(views.flatMap(({ protocols }) => protocols))],
    latencyMs: views.reduce<number | null>(
      (least, { latencyMs }) => (least === null || (latencyMs ?? least) < least ? latencyMs : least),
      null,
    ),
    ...mergedExchange(views),
  }
}
