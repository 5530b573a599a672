import type { Connection } from '@libp2p/interface'
import type { BackOff } from '../dial/back-off.ts'
import type { DialPolicy } from '../dial/policy.ts'
import type { ConnectedPeer, EngineEvent } from '../engine.ts'
import type { LinkPath } from '../reach/link-path.ts'
import type { NodeGossip } from './gossip/node-gossip.ts'
import type { Introductions } from './introductions.ts'
import type { Links } from './links.ts'
import type { Node } from './node.ts'
import type { OwnDials } from './own-dials.ts'
import type { Punching } from './punching/punching.ts'
import type { Reachable } from './reach/reachable.ts'
import type { SilentConnections } from './silent-connections.ts'
import { tellerOf } from './teller-of.ts'
import type { RelayServer } from './transport/relay-server.ts'

/** Translates the events of a libp2p node to those of the contract, and passes them to the parts with state by peer. */
export function listenToNode(
  { node, gossip }: { node: Node; gossip: Pick<NodeGossip, 'lanes' | 'links' | 'announced' | 'gone'> },
  components: {
    peerOf(peerId: string): ConnectedPeer | undefined
    emit(event: EngineEvent): void
    links: Links
    relay: Pick<RelayServer, 'gone'>
    backOff: BackOff
    introductions: Introductions
    policy: Pick<DialPolicy, 'told'>
    silentConnections: Pick<SilentConnections, 'opened'>
    reach: Pick<Reachable, 'identified' | 'closed' | 'gone'>
    punching: Pick<Punching, 'identified'>
    ownDials: Pick<OwnDials, 'lost'>
  },
): void {
  const { peerOf, emit, links, relay, backOff, introductions, policy, silentConnections, reach, punching, ownDials } = components
  /** When the first of the connections to a peer opened, by the monotonic clock. */
  const linkedAt = new Map<string, number>()
  /** By peer, the path as told. */
  const paths = new Map<string, LinkPath>()

  /** A peer is told again when another of its connections is the path to it. libp2p's own lists change in the same turn. */
  function tellPath({ remotePeer }: Connection): void {
    queueMicrotask(() => {
      const peer = peerOf(remotePeer.toString())
      if (peer === undefined || !paths.has(peer.peerId) || paths.get(peer.peerId) === peer.path) return
      paths.set(peer.peerId, peer.path)
      emit({ type: 'peer:update', peer })
    })
  }

  node.addEventListener('peer:connect', ({ detail }) => {
    linkedAt.set(detail.toString(), performance.now())
    const peer = peerOf(detail.toString())
    if (peer === undefined) return
    paths.set(peer.peerId, peer.path)
    emit({ type: 'peer:connect', peer })
  })
  node.addEventListener('connection:open', ({ detail }) => {
    silentConnections.opened(detail)
    tellPath(detail)
  })
  node.addEventListener('connection:close', ({ detail }) => {
    reach.closed(detail)
    tellPath(detail)
  })
  node.addEventListener('peer:disconnect', ({ detail }) => {
    const other = detail.toString()
    gossip.gone(other)
    links.gone(other)
    relay.gone(detail)
    reach.gone(other)
    backOff.ended(other, performance.now() - (linkedAt.get(other) ?? 0))
    linkedAt.delete(other)
    paths.delete(other)
    emit({ type: 'peer:disconnect', peerId: other })
    ownDials.lost(other)
  })
  node.addEventListener('peer:identify', ({ detail }) => {
    introductions.made(detail.connection)
    punching.identified(detail)
    // A peer that has disconnected meanwhile has no later event that would remove its entry.
    if (peerOf(detail.peerId.toString()) === undefined) return
    links.identified(detail)
    reach.identified(detail)
    gossip.lanes.identified(detail.peerId.toString())
    policy.told(
      detail.listenAddrs.map((address) => address.toString()),
      tellerOf(detail.connection),
    )
    const peer = peerOf(detail.peerId.toString())
    if (peer !== undefined) emit({ type: 'peer:update', peer })
  })
  node.services.pubsub.addEventListener('subscription-change', ({ detail }) => {
    const other = detail.peerId.toString()
    const subscribed = detail.subscriptions.flatMap(({ topic, subscribe }) => (subscribe ? topic : []))
    if (gossip.links.reaches(other)) gossip.announced.recap(other, subscribed)
    for (const { topic, subscribe } of detail.subscriptions) {
      if (!subscribe) emit({ type: 'topic:unsubscribe', peerId: other, topic })
      // The subscription of a peer that cannot be sent to yet is emitted once it can.
      else if (gossip.links.reaches(other)) emit({ type: 'topic:subscribe', peerId: other, topic })
    }
    gossip.lanes.told(other)
  })
}
