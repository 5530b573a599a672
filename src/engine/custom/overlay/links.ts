import { backOffMs } from '../../../lib/back-off.ts'
import { BoundedMap } from '../../../lib/bounded-map.ts'
import { createTokenBucket, type TokenBucket } from '../../../lib/token-bucket.ts'
import type { OverlayLimits } from './limits.ts'
import type { HangUpReason, PeerRecord } from './overlay.ts'

/** A linked peer. */
export interface Link {
  readonly peerId: string
  /** The peer's latest record of itself. */
  record: PeerRecord
  readonly direction: 'inbound' | 'outbound'
  pinned: boolean
  readonly since: number
  /** Topics that the peer says it is subscribed to. */
  readonly topics: Set<string>
  readonly controlFrames: TokenBucket
  readonly walks: TokenBucket
  /** Walks of others that are passed on to the peer. */
  readonly passedWalks: TokenBucket
  /** What the views of topics may ask of the peer: neighbour requests and shuffles. */
  readonly asks: TokenBucket
  /** When the link was last used, such as for a new message. */
  usedAt: number
  /** When the peer last brought a new message that was accepted. */
  broughtAt: number | undefined
}

/** The links, the dials in progress, and the peers whose dial failed recently. */
export interface Links {
  get(peerId: string): Link | undefined
  all(): IterableIterator<Link>
  readonly size: number
  add(peer: PeerRecord, link: { direction: 'inbound' | 'outbound'; pinned: boolean }): Link
  remove(peerId: string): void
  /** Whether the peer has brought a new message within `provenMs`, which it can't fake. */
  isProven(peerId: string): boolean
  /** At most `count` proven links, sorted by when they last brought a new message, the latest first. */
  latestProven(count: number): Link[]
  failed(peerId: string): void
  /** Removes a link at once and asks for its end. */
  hangUp(peerId: string, why: HangUpReason): void
  /**
   * Whether the peer may be dialled: it has addresses, no recent failure at all of them, and is not avoided; links and
   * dials have room. One link beyond the maximum is dialled, so that a full node does not become isolated.
   */
  canDial(peer: PeerRecord): boolean
  dial(peer: PeerRecord): void
  isDialling(peerId: string): boolean
  /** Times out dials without an answer. */
  sweep(): void
  /** A random peer whose dial failed and may be retried. */
  pickFailed(): PeerRecord | undefined
}

interface Failure {
  readonly peer: PeerRecord
  readonly count: number
  readonly retryAt: number
}

export function createLinks(
  init: { limits: OverlayLimits; peerId: string },
  components: {
    now(): number
    random(): number
    dial(peer: PeerRecord): void
    hangUp(peerId: string, why: HangUpReason): void
    isAvoided(peerId: string): boolean
  },
): Links {
  const { limits, peerId: self } = init
  const { now, random } = components
  const links = new Map<string, Link>()
  const dials = new Map<string, { peer: PeerRecord; at: number }>()
  const failures = new BoundedMap<string, Failure>({ max: limits.maxFailedPeers })

  function noteFailure(peer: PeerRecord): void {
    const before = failures.get(peer.peerId)?.count ?? 0
    const waitMs = backOffMs({ firstMs: limits.firstRetryMs, lastMs: limits.lastRetryMs }, before, random)
    failures.set(peer.peerId, { peer, count: before + 1, retryAt: now() + waitMs })
  }

  function failed(peerId: string): void {
    const dial = dials.get(peerId)
    if (dial === undefined) return
    dials.delete(peerId)
    noteFailure(dial.peer)
  }

  function isProven(peerId: string): boolean {
    const broughtAt = links.get(peerId)?.broughtAt
    return broughtAt !== undefined && broughtAt > now() - limits.provenMs
  }

  return {
    get: (peerId) => links.get(peerId),
    all: () => links.values(),
    get size() {
      return links.size
    },
    add(peer, { direction, pinned }) {
      dials.delete(peer.peerId)
      failures.delete(peer.peerId)
      const link: Link = {
        peerId: peer.peerId,
        record: peer,
        direction,
        pinned,
        since: now(),
        topics: new Set(),
        controlFrames: createTokenBucket({ perSecond: limits.controlFramesPerSecond, burst: limits.controlFramesBurst }),
        walks: createTokenBucket({ perSecond: limits.walksPerSecond, burst: limits.walksBurst }),
        passedWalks: createTokenBucket({ perSecond: limits.walksPerSecond, burst: limits.walksBurst }),
        asks: createTokenBucket({ perSecond: limits.topicAsksPerSecond, burst: limits.topicAsksBurst }),
        usedAt: now(),
        broughtAt: undefined,
      }
      links.set(peer.peerId, link)
      return link
    },
    remove: (peerId) => links.delete(peerId),
    isProven,
    latestProven(count) {
      const proven = [...links.values()].filter(({ peerId }) => isProven(peerId))
      return proven.sort((a, b) => (b.broughtAt ?? 0) - (a.broughtAt ?? 0)).slice(0, count)
    },
    failed,
    hangUp(peerId, why) {
      if (links.delete(peerId)) components.hangUp(peerId, why)
    },
    canDial({ peerId, multiaddrs }) {
      if (peerId === self || multiaddrs.length === 0 || links.has(peerId) || dials.has(peerId)) return false
      if (dials.size >= limits.maxDials || links.size + dials.size > limits.maxLinks) return false
      const failure = failures.get(peerId)
      const mayFail = failure !== undefined && failure.retryAt > now() && multiaddrs.every((each) => failure.peer.multiaddrs.includes(each))
      return !mayFail && !components.isAvoided(peerId)
    },
    dial(peer) {
      dials.set(peer.peerId, { peer, at: now() })
      components.dial(peer)
    },
    isDialling: (peerId) => dials.has(peerId),
    sweep() {
      const until = now() - limits.dialMs
      for (const [peerId, { at }] of dials) if (at < until) failed(peerId)
    },
    pickFailed() {
      const due = [...failures.values()].filter(({ retryAt }) => retryAt <= now())
      return due[Math.floor(random() * due.length)]?.peer
    },
  }
}
