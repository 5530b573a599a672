import { createShares } from '../lib/shares.ts'
import type { Asker } from './asker.ts'

/**
 * The memory of bodies on their way between this node and its peers: of requests that are coming, of answers to them that are not taken yet,
 * and of answers to our own requests. It is counted by what has come, not by what was announced. One peer has a quarter while others have
 * any, and so have all peers of one address; when no more can be had, the peer with the most at the address with the most gives up its
 * oldest body, so that bodies which never end do not shut out those which do.
 */
export interface Bodies {
  /** Begins to count a body. `giveUp` is called, once, when it has to make room. Undefined when the peer or its address has its share. */
  begin(from: Asker, giveUp: () => void): HeldBody | undefined
  /** Bytes that are counted. */
  readonly bytes: number
}

export interface HeldBody extends Disposable {
  /** Counts more of it. False when there is no room for it: it is to be given up. */
  add(bytes: number): boolean
}

export interface BodiesLimits {
  maxPeerBodyBytes: number
  maxMessageBytes: number
}

/** The part of the time of a request that its body has: by default ten seconds, in which the largest comes over a megabit a second. */
export const bodyShare = 1 / 3

/** What a body costs that is announced and does not come: its entry, its timer. */
const overheadBytes = 1_024
/** Of a body beside the data of a message. */
const envelopeBytes = 65_536

export function createBodies(init: { limits: BodiesLimits }, components: { onGivenUp?: () => void; onRefused?: () => void } = {}): Bodies {
  const { maxPeerBodyBytes, maxMessageBytes } = init.limits
  const { onGivenUp = () => undefined, onRefused = () => undefined } = components
  // The largest body fits in a quarter.
  const max = Math.max(maxPeerBodyBytes, 4 * (maxMessageBytes + envelopeBytes))
  const ofPeers = createShares({ max })
  const ofHosts = createShares({ max })
  /** How each body is given up, the oldest first, by host and peer. */
  const open = new Map<string, Map<string, Set<() => void>>>()

  /** Has the peer with the most at a host give up its oldest body, when it has more than so many bytes. */
  function giveUpAt(host: string, bytes: number): boolean {
    const peers = open.get(host) ?? new Map<string, Set<() => void>>()
    const [largest] = [...peers.keys()].toSorted((one, other) => ofPeers.held(other) - ofPeers.held(one))
    if (largest === undefined || ofPeers.held(largest) <= bytes) return false
    const [oldest] = peers.get(largest) ?? []
    oldest?.()
    return oldest !== undefined
  }

  /** Answers whether a body was given up, at the peer's own host when no other has more. */
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

  /** Notes how a body is given up. Answers how that is forgotten. */
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
