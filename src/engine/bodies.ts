import { createShares } from '../lib/shares.ts'
import type { Limits } from '../limits.ts'
import type { Asker } from './asker.ts'

/**
 * Bounds the memory of bodies in transit between this node and its peers: incoming requests, unread answers to them,
 * and answers to this node's own requests. Only bytes that have arrived count, not announced lengths. One peer has a
 * quarter while others have any, and so do all peers of one address. When the memory is full, the peer with the most
 * bytes at the address with the most bytes gives up its oldest body, so that bodies which never end do not block
 * others.
 */
export interface Bodies {
  /**
   * Begins to count a body. `giveUp` is called once if the body has to make room. Returns undefined when the peer or
   * its address has reached its share.
   */
  begin(from: Asker, giveUp: () => void): HeldBody | undefined
  /** Total bytes counted. */
  readonly bytes: number
}

export interface HeldBody extends Disposable {
  /** Counts more bytes. Returns false when there is no room: the caller must give the body up. */
  add(bytes: number): boolean
}

export type BodiesLimits = Pick<Limits, 'maxPeerBodyBytes' | 'maxMessageBytes'>

/**
 * Fraction of the request timeout within which the body must arrive: ten seconds by default, enough for the largest
 * body at one megabit per second.
 */
export const bodyShare = 1 / 3

/** Cost of a body that is announced but does not arrive: its entry and timer. */
const overheadBytes = 1_024
/** Overhead of a body around the data of a message. */
const envelopeBytes = 65_536

export function createBodies(init: { limits: BodiesLimits }, components: { onGivenUp?: () => void; onRefused?: () => void } = {}): Bodies {
  const { maxPeerBodyBytes, maxMessageBytes } = init.limits
  const { onGivenUp = () => undefined, onRefused = () => undefined } = components
  // The largest body fits in a quarter.
  const max = Math.max(maxPeerBodyBytes, 4 * (maxMessageBytes + envelopeBytes))
  const ofPeers = createShares({ max })
  const ofHosts = createShares({ max })
  /** Callbacks that give up each body, by host and peer, the oldest first. */
  const open = new Map<string, Map<string, Set<() => void>>>()

  /** Makes the peer with the most bytes at a host give up its oldest body, if it holds more than `bytes`. */
  function giveUpAt(host: string, bytes: number): boolean {
    const peers = open.get(host) ?? new Map<string, Set<() => void>>()
    const [largest] = [...peers.keys()].toSorted((one, other) => ofPeers.held(other) - ofPeers.held(one))
    if (largest === undefined || ofPeers.held(largest) <= bytes) return false
    const [oldest] = peers.get(largest) ?? []
    oldest?.()
    return oldest !== undefined
  }

  /** Gives up one body, at the peer's own host when no other host has more. Returns whether one was given up. */
  function makeRoom({ peerId, host }: Asker, bytes: number): boolean {
    if (ofHosts.refusal(host, bytes) === 'all') {
      const [largest] = [...open.keys()].toSorted((one, other) => ofHosts.held(other) - ofHosts.held(one))
      const isLarger = largest !== undefined && largest !== host && ofHosts.held(largest) > ofHosts.held(host) + bytes
      if (isLarger && giveUpAt(largest, 0)) return true
    }
    return giveUpAt(host, ofPeers.held(peerId) + bytes)
  }

  function take(from: Asker, bytes: number): Disposable | undefined {
    const { peerId, host } = from
    while (ofHosts.refusal(host, bytes) !== undefined && makeRoom(from, bytes));
    if (ofHosts.refusal(host, bytes) !== undefined || ofPeers.refusal(peerId, bytes) !== undefined) {
      onRefused()
      return undefined
    }
    const held = new DisposableStack()
    held.use(ofHosts.hold(host, bytes))
    held.use(ofPeers.hold(peerId, bytes))
    return held
  }

  /** Registers the callback that gives up a body. Returns a function that removes it. */
  function note({ peerId, host }: Asker, end: () => void): () => void {
    const peers = open.get(host) ?? new Map<string, Set<() => void>>()
    const ends = peers.get(peerId) ?? new Set<() => void>()
    open.set(host, peers.set(peerId, ends.add(end)))
    return () => {
      ends.delete(end)
      if (ends.size === 0 && peers.get(peerId) === ends) peers.delete(peerId)
      if (peers.size === 0 && open.get(host) === peers) open.delete(host)
    }
  }

  return {
    begin(from, giveUp) {
      const entry = take(from, overheadBytes)
      if (entry === undefined) return undefined
      const held = new DisposableStack()
      held.use(entry)
      held.defer(
        note(from, () => {
          held.dispose()
          onGivenUp()
          giveUp()
        }),
      )
      return {
        add(bytes) {
          if (held.disposed) return false
          const more = take(from, bytes)
          if (more !== undefined) held.use(more)
          return more !== undefined
        },
        [Symbol.dispose]: () => held.dispose(),
      }
    },
    get bytes() {
      return ofPeers.total
    },
  }
}
