import type { FrameOf } from './frames.ts'
import type { OverlayLimits } from './limits.ts'
import type { Link } from './links.ts'
import type { PeerRecord } from './overlay.ts'
import { createPartialView, type PartialView, pick } from './partial-view.ts'
import { createShuffles, type ShufflesComponents } from './shuffles.ts'

/**
 * A partial view that is maintained together with its peers: of all peers (membership.ts), or of a topic's subscribers
 * (topic-views.ts). Neighbourhood is mutual: one side requests it, the other accepts or refuses, and either ends it.
 * Shuffles exchange reserve peers.
 */
export interface View {
  readonly peers: PartialView
  readonly wanted: ReadonlySet<string>
  /** Asks the peer to be a neighbour, on a new link if needed. Returns whether the request is on its way. */
  want(peer: PeerRecord): boolean
  connected(link: Link): void
  /** The link has closed, or the peer no longer belongs here. */
  gone(peerId: string): void
  dialFailed(peerId: string): void
  /** Makes the peer a neighbour. Another one leaves when the view is full. */
  take(peerId: string): void
  receive(link: Link, frame: FrameOf<'neighbor' | 'neighbor-reply' | 'disconnect' | 'shuffle'>): void
  /** Removes the peers whose links have a role here, or are about to get one. */
  spare(peerIds: Set<string>): void
  /** There is news of a peer that may become a neighbour: an attempt to fill the view is worth while at once. */
  wake(): void
  /** Exchanges samples with this peer, without a walk. */
  shuffleWith(peerId: string): void
  tick(): void
}

export interface ViewInit {
  readonly topic?: string
  readonly peerId: string
  readonly target: number
  readonly max: number
  readonly passiveSize: number
  readonly limits: OverlayLimits
}

/** The same for the views of all topics, which is why some are told the topic. */
export interface ViewComponents extends ShufflesComponents {
  now(): number
  /** Whether a linked peer can be a neighbour in the view of all peers, or of the topic. */
  belongs(link: Link, topic: string | undefined): boolean
  /** A linked peer has told the addresses of a peer. */
  told(peer: PeerRecord, by: string): void
  /** No candidate is left, or the remaining ones are not reliable. */
  onLonely(topic: string | undefined): void
  /** Whether a request or shuffle may be sent on the link now, among those of other views. Counts it. */
  mayAsk(link: Link): boolean
  /** Whether a link to a reserve peer may be made now, among those of other views. Counts it. */
  mayMix(): boolean
}

/** Milliseconds until a peer that refused is asked again. */
const refusedMs = 10_000
/**
 * The probability with which a linked peer is preferred over one of the reserve, which neighbours may have filled with
 * lies.
 */
const contactShare = 0.25
export function createView(init: ViewInit, components: ViewComponents): View {
  const { topic, target, max, limits } = init
  const { now, random, send, links } = components
  const peers = createPartialView(init, components)
  const shuffles = createShuffles({ ...init, peers }, components)
  const about = topic === undefined ? {} : { topic }
  /** Peers that are being dialled for this view. */
  const wanted = new Set<string>()
  /** Peers that were asked, with the time. */
  const asked = new Map<string, number>()
  const refused = new Map<string, number>()
  let fillAt = 0
  let fillMs = limits.fillMs
  let shuffleAt = soon(limits.shuffleMs)
  let mendAt = soon(limits.mendMs)
  let mixMs = limits.firstMixMs
  let mixAt = soon(mixMs)

  function soon(ms: number): number {
    return now() + ms * (0.5 + random())
  }

  function ask(link: Link): boolean {
    if (!components.mayAsk(link)) return false
    const { peerId } = link
    asked.set(peerId, now())
    send(peerId, { type: 'neighbor', ...about, priority: peers.active.size === 0 ? 'high' : 'low' })
    return true
  }

  function want(peer: PeerRecord): boolean {
    const { peerId } = peer
    if (peers.active.has(peerId) || asked.has(peerId) || wanted.has(peerId)) return false
    const link = links.get(peerId)
    if (link !== undefined) return components.belongs(link, topic) && ask(link)
    if (links.isDialling(peerId)) wanted.add(peerId)
    else if (links.canDial(peer)) {
      wanted.add(peerId)
      links.dial(peer)
    } else return false
    return true
  }

  function isCandidate(peerId: string): boolean {
    return !peers.active.has(peerId) && !asked.has(peerId) && !wanted.has(peerId) && (refused.get(peerId) ?? 0) <= now()
  }

  /** A linked peer costs no dial; a peer of the reserve keeps the view from closing into a clique. */
  function candidate(): PeerRecord | undefined {
    const linked: PeerRecord[] = []
    for (const link of links.all()) if (isCandidate(link.peerId) && components.belongs(link, topic)) linked.push(link.record)
    const others = [...peers.passive.values()].filter((peer) => isCandidate(peer.peerId) && links.canDial(peer))
    const [first, second] = random() < contactShare ? [linked, others] : [others, linked]
    return pick(first, random) ?? pick(second, random)
  }

  /** Returns whether it found somebody to ask. */
  function fill(): boolean {
    const open = () => target - peers.active.size - asked.size - wanted.size
    let hasAsked = false
    while (open() > 0) {
      const peer = candidate()
      if (peer === undefined) {
        if (peers.active.size < target) components.onLonely(topic)
        return hasAsked
      }
      if (!want(peer)) return hasAsked
      hasAsked = true
    }
    return hasAsked
  }

  /** The next attempt follows soon if this one may lead to something. The view of all peers never waits longer. */
  function fillAgain(): void {
    expire()
    const isUseful = fill() || asked.size > 0
    fillMs = topic === undefined || isUseful ? limits.fillMs : Math.min(2 * fillMs, limits.lastFillMs)
    fillAt = soon(fillMs)
  }

  function leave(peerId: string): void {
    peers.deactivate(peerId)
    send(peerId, { type: 'disconnect', ...about })
    const link = links.get(peerId)
    if (link !== undefined) peers.know(link.record)
  }

  /** Neighbours that have brought no new message, in order of arrival. */
  function unproven(): string[] {
    return [...peers.active].filter((peerId) => !links.isProven(peerId))
  }

  /** Removes a random unproven neighbour; returns whether there was one. */
  function makeRoom(): boolean {
    const victim = pick(unproven(), random)
    if (victim !== undefined) leave(victim)
    return victim !== undefined
  }

  /** A peer that forces its way in takes the newest place, so that long-standing neighbours stay however many come. */
  function take(peerId: string): void {
    if (peers.active.has(peerId)) return
    if (peers.active.size >= max) {
      const victim = unproven().at(-1) ?? [...peers.active].at(-1)
      if (victim !== undefined) leave(victim)
    }
    asked.delete(peerId)
    peers.activate(peerId)
  }

  function receiveNeighbor(link: Link, { priority }: FrameOf<'neighbor'>): void {
    const { peerId } = link
    const isIn = peers.active.has(peerId) || asked.has(peerId)
    const accepted = components.belongs(link, topic) && (isIn || priority === 'high' || peers.active.size < max)
    if (accepted) take(peerId)
    send(peerId, { type: 'neighbor-reply', ...about, accepted })
  }

  function receiveReply({ peerId }: Link, { accepted }: FrameOf<'neighbor-reply'>): void {
    if (!asked.delete(peerId)) return
    if (!accepted) {
      refused.set(peerId, now() + refusedMs)
      return
    }
    const isFull = peers.active.size >= target
    if (peers.active.has(peerId)) return
    if (peers.active.size >= max && !makeRoom()) {
      leave(peerId)
      return
    }
    if (isFull) makeRoom()
    peers.activate(peerId)
  }

  /** Retries a peer whose dial failed, so that the parts of a partitioned network find each other again. */
  function mend(): void {
    const peer = links.pickFailed()
    if (peer !== undefined) want(peer)
  }

  function mix(): void {
    const reserve = [...peers.passive.values()].filter(({ peerId }) => isCandidate(peerId) && links.get(peerId) === undefined)
    const peer = pick(reserve, random)
    if (peer === undefined || random() < 0.5) components.onLonely(topic)
    else if (components.mayMix()) want(peer)
  }

  function nextMixMs(): number {
    const isUnsure = topic === undefined && unproven().length > peers.active.size / 2
    return Math.min(2 * mixMs, isUnsure ? limits.unsureMixMs : limits.lastMixMs)
  }

  function expire(): void {
    const until = now() - limits.neighborMs
    for (const [peerId, at] of asked) if (at < until) asked.delete(peerId)
    for (const [peerId, at] of refused) if (at <= now()) refused.delete(peerId)
  }

  return {
    peers,
    wanted,
    want,
    connected(link) {
      if (wanted.has(link.peerId) && components.belongs(link, topic)) {
        wanted.delete(link.peerId)
        ask(link)
      }
    },
    gone(peerId) {
      if (peers.active.has(peerId)) {
        peers.deactivate(peerId)
        fillAt = now()
      }
      asked.delete(peerId)
      wanted.delete(peerId)
    },
    dialFailed(peerId) {
      wanted.delete(peerId)
      peers.forget(peerId)
    },
    take,
    receive(link, frame) {
      switch (frame.type) {
        case 'neighbor':
          return receiveNeighbor(link, frame)
        case 'neighbor-reply':
          return receiveReply(link, frame)
        case 'disconnect':
          if (!peers.active.has(link.peerId)) return
          peers.deactivate(link.peerId)
          peers.know(link.record)
          refused.set(link.peerId, now() + refusedMs)
          return
        case 'shuffle':
          return shuffles.receive(link, frame)
        default:
          return frame satisfies never
      }
    },
    spare(peerIds) {
      for (const role of [peers.active, asked, wanted]) for (const peerId of role.keys()) peerIds.delete(peerId)
    },
    wake() {
      fillAt = Math.min(fillAt, now())
      fillMs = limits.fillMs
    },
    shuffleWith: (peerId) => shuffles.begin(peerId, 0),
    tick() {
      const at = now()
      if (at >= fillAt) fillAgain()
      if (at >= shuffleAt) {
        shuffleAt = soon(limits.shuffleMs)
        const neighbor = links.get(pick([...peers.active], random) ?? '')
        if (neighbor !== undefined && components.mayAsk(neighbor)) shuffles.begin(neighbor.peerId, limits.shuffleHops)
      }
      if (at >= mendAt && topic === undefined) {
        mendAt = soon(limits.mendMs)
        mend()
      }
      if (at >= mixAt) {
        mixMs = nextMixMs()
        mixAt = soon(mixMs)
        mix()
      }
    },
  }
}
