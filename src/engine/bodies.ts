import { createShares } from '../lib/shares.ts'

/**
 * The memory of bodies on their way between this node and its peers: of requests that are coming, of answers to them that are not taken yet,
 * and of answers to our own requests. It is counted by what has come, not by what was announced. One peer has a quarter while others have
 * any; when all of it is taken, the peer with the most gives up its oldest body, so that bodies which never end do not shut out those which do.
 */
export interface Bodies {
  /** Begins to count a body. `giveUp` is called, once, when it has to make room. Undefined when the peer has its share. */
  begin(peerId: string, giveUp: () => void): HeldBody | undefined
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

export function createBodies(init: { limits: BodiesLimits }): Bodies {
  const { maxPeerBodyBytes, maxMessageBytes } = init.limits
  // The largest body fits in a quarter.
  const shares = createShares({ max: Math.max(maxPeerBodyBytes, 4 * (maxMessageBytes + envelopeBytes)) })
  /** By peer, the oldest first. */
  const open = new Map<string, Set<() => void>>()

  /** Has the peer with the most give up its oldest body. False when that would be the one that wants more. */
  function makeRoom(peerId: string, bytes: number): boolean {
    const [largest] = [...open.keys()].toSorted((one, other) => shares.held(other) - shares.held(one))
    if (largest === undefined || shares.held(largest) <= shares.held(peerId) + bytes) return false
    const [oldest] = open.get(largest) ?? []
    oldest?.()
    return oldest !== undefined
  }

  function take(peerId: string, bytes: number): Disposable | undefined {
    while (shares.refusal(peerId, bytes) === 'all' && makeRoom(peerId, bytes));
    return shares.take(peerId, bytes)
  }

  return {
    begin(peerId, giveUp) {
      const entry = take(peerId, overheadBytes)
      if (entry === undefined) return undefined
      const held = new DisposableStack()
      held.use(entry)
      const end = () => {
        held.dispose()
        giveUp()
      }
      const ends = open.get(peerId) ?? new Set()
      open.set(peerId, ends.add(end))
      held.defer(() => {
        ends.delete(end)
        if (ends.size === 0 && open.get(peerId) === ends) open.delete(peerId)
      })
      return {
        add(bytes) {
          if (held.disposed) return false
          const more = take(peerId, bytes)
          if (more !== undefined) held.use(more)
          return more !== undefined
        },
        [Symbol.dispose]: () => held.dispose(),
      }
    },
    get bytes() {
      return shares.total
    },
  }
}
