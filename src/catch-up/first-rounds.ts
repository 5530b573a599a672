import type { ConnectedPeer, NetworkKind, P2PEngine } from '../engine/engine.ts'
import type { Ingest } from '../log/ingest.ts'
import { historyProtocol } from './history-protocol.ts'

/**
 * Holds live messages from the first link in a network, after a start or a time without any, until the peers that are
 * linked meanwhile, or within some seconds, have been asked for what this gateway missed. So it gets, and hands on, what
 * it missed before what comes now. What one of these peers gives is held until all have listed what they have first:
 * another may have earlier messages of the same authors. Peers that keep no messages count for nothing: what one of them brings may be live, but ends no outage.
 */
export interface FirstRounds {
  /**
   * A peer is linked, or has told of itself: until then its protocols are not known. Returns whether it is the first one
   * in a network that may keep messages.
   */
  linked(peer: Pick<ConnectedPeer, 'peerId' | 'networks' | 'protocols'>, hasTold: boolean): boolean
  /** The peer has listed what it has first, or waits until others have been asked. */
  listed(peerId: string): void
  /** A round with the peer has ended, whatever came of it. */
  asked(peerId: string): void
  /** There is more to ask these peers, who are asked once more. What is held meanwhile stays held. */
  askedAgain(peerIds: Iterable<string>): void
  gone(peerId: string): void
  /** Forgets the links, and holds nothing any longer. */
  stop(): void
}

/**
 * Milliseconds from the first link in which further peers are asked first, too. Most links of a gateway that comes back
 * open within them, and a new one may bring a message before an earlier one comes over another peer.
 */
const backMs = 5_000

/**
 * Milliseconds in which one peer that has not told of itself can begin to hold live messages: where no neighbour keeps
 * messages, strangers that come and go would delay all of them.
 */
const strangerMs = 60_000

export interface FirstRoundsComponents {
  engine: Pick<P2PEngine, 'bridge' | 'topics'>
  /** Each holds messages until the result is disposed of, or for a limited time. */
  order: Pick<Ingest['order'], 'holdLive' | 'holdPast'>
}

export function createFirstRounds({ engine, order }: FirstRoundsComponents): FirstRounds {
  /** Of the linked peers that keep messages, or have not told yet. */
  const networks = new Map<string, readonly NetworkKind[]>()
  /** Peers that are to be asked first. */
  const waiting = new Set<string>()
  let held: Disposable | undefined
  /** Those of them that have not listed anything yet. */
  const unlisted = new Set<string>()
  let heldPast: Disposable | undefined
  /** When a first link was opened, and when one of a peer that had not told, by the monotonic clock. */
  let strangerAt = Number.NEGATIVE_INFINITY
  let backAt = Number.NEGATIVE_INFINITY

  function isAlone(network: NetworkKind): boolean {
    for (const kinds of networks.values()) if (kinds.includes(network)) return false
    return true
  }

  /** A gateway that has joined no topic has missed nothing. A bridge learns its topics from its peers. */
  function hold(): Disposable {
    const live = order.holdLive()
    if (engine.bridge !== undefined) return live
    engine.topics().then(
      (topics) => {
        if (topics.length === 0) live[Symbol.dispose]()
      },
      // The engine stops.
      () => live[Symbol.dispose](),
    )
    return live
  }

  function wait(peerId: string): void {
    waiting.add(peerId)
    held ??= hold()
    unlisted.add(peerId)
    heldPast ??= order.holdPast()
  }

  function listed(peerId: string): void {
    unlisted.delete(peerId)
    if (unlisted.size > 0) return
    heldPast?.[Symbol.dispose]()
    heldPast = undefined
  }

  function done(peerId: string): void {
    listed(peerId)
    waiting.delete(peerId)
    if (waiting.size > 0) return
    held?.[Symbol.dispose]()
    held = undefined
  }

  function gone(peerId: string): void {
    networks.delete(peerId)
    done(peerId)
  }

  return {
    linked({ peerId, networks: kinds, protocols }, hasTold) {
      if (hasTold && !protocols.includes(historyProtocol)) {
        gone(peerId)
        return false
      }
      // It may tell that it keeps messages, and is then a first one.
      if (!hasTold && kinds.some(isAlone)) {
        if (performance.now() < strangerAt + strangerMs) return false
        strangerAt = performance.now()
      }
      const isNew = !networks.has(peerId)
      const isBack = kinds.some(isAlone)
      networks.set(peerId, kinds)
      if (isBack) backAt = performance.now()
      if (isBack || (isNew && (held !== undefined || performance.now() < backAt + backMs))) wait(peerId)
      return isBack
    },
    listed,
    asked: done,
    askedAgain(peerIds) {
      if (held !== undefined) for (const peerId of peerIds) waiting.add(peerId)
    },
    gone,
    stop() {
      networks.clear()
      for (const peerId of [...waiting]) done(peerId)
    },
  }
}
