import { BoundedMap } from '../../../lib/bounded-map.ts'
import type { FrameOf } from './frames.ts'
import type { OverlayLimits } from './limits.ts'
import type { Link } from './links.ts'
import type { PeerRecord } from './overlay.ts'
import { pick } from './partial-view.ts'
import { createView, type View, type ViewComponents } from './view.ts'

/** The view of all peers, by which a node joins the network and stays connected (HyParView §4). */
export interface Membership {
  readonly view: View
  connected(link: Link): void
  /** The peer has told other addresses of its own. */
  moved(link: Link): void
  /** Peers found by other means. The latest are kept, as contacts for a node that has lost all neighbours. */
  discovered(peers: readonly PeerRecord[]): void
  /** A peer has proven itself, and is kept as a contact. */
  proven(peer: PeerRecord): void
  receive(link: Link, frame: FrameOf<'join' | 'forward-join'>): void
}

/** Contacts that are kept of each kind, the latest ones: peers found by other means, and proven peers. */
const maxContacts = 50

export function createMembership(
  init: { peerId: string; limits: OverlayLimits },
  components: Omit<ViewComponents, 'belongs' | 'onLonely' | 'mayAsk' | 'mayMix'>,
): Membership {
  const { limits } = init
  const { random, send, passOn, links, told } = components
  const contacts = new BoundedMap<string, PeerRecord>({ max: maxContacts })
  const proven = new BoundedMap<string, PeerRecord>({ max: maxContacts })
  /** Peers that have joined here, and may not have known at which addresses others reach them. */
  const joined = new WeakSet<Link>()
  const view = createView(
    { peerId: init.peerId, target: limits.activeView, max: limits.maxActiveView, passiveSize: limits.passiveView, limits },
    { ...components, belongs: () => true, onLonely, mayAsk: () => true, mayMix: () => true },
  )

  /** A view without a reserve falls back to contacts. */
  function onLonely(): void {
    const isAway = ({ peerId }: PeerRecord) => links.get(peerId) === undefined
    const contact = pick([...contacts.values(), ...proven.values()].filter(isAway), random)
    if (contact !== undefined) view.want(contact)
  }

  function receiveJoin(link: Link): void {
    joined.add(link)
    introduce(link)
    view.take(link.peerId)
    send(link.peerId, { type: 'neighbor-reply', accepted: true })
  }

  function introduce({ peerId, record }: Link): void {
    for (const other of view.peers.active) {
      if (other !== peerId) passOn(other, { type: 'forward-join', peer: record, hops: limits.joinHops })
    }
  }

  function receiveForwardJoin(link: Link, { peer, hops }: FrameOf<'forward-join'>): void {
    if (peer.peerId === init.peerId) return
    const next = pick(
      [...view.peers.active].filter((other) => other !== link.peerId && other !== peer.peerId),
      random,
    )
    if (hops === 0 || next === undefined) {
      told(peer, link.peerId)
      view.want(peer)
      return
    }
    if (hops === limits.joinPassiveHops) {
      told(peer, link.peerId)
      view.peers.know(peer)
    }
    passOn(next, { type: 'forward-join', peer, hops: Math.min(hops, limits.joinHops) - 1 })
  }

  return {
    view,
    connected(link) {
      // A node without neighbours is new, whichever end dialled.
      if (view.peers.active.size === 0) {
        send(link.peerId, { type: 'join' })
        view.shuffleWith(link.peerId)
      }
      view.connected(link)
    },
    moved(link) {
      // Only once, so that a join sets off no more than two.
      if (joined.delete(link)) introduce(link)
    },
    discovered(peers) {
      for (const peer of peers) {
        if (peer.peerId === init.peerId) continue
        contacts.set(peer.peerId, peer)
        view.peers.know(peer)
      }
    },
    proven: (peer) => void proven.set(peer.peerId, peer),
    receive(link, frame) {
      if (frame.type === 'join') receiveJoin(link)
      else receiveForwardJoin(link, frame)
    },
  }
}
