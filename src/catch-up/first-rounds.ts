import type { ConnectedPeer, NetworkKind, P2PEngine } from '../engine/engine.ts'
import { historyProtocol } from './history-protocol.ts'

/**
 * Holds live messages from the first link in a network, after a start or a time without any, until the peers that are
 * linked meanwhile have been asked for what this gateway missed. So it gets, and hands on, what it missed before what
 * comes now.
 */
export interface FirstRounds {
  /**
   * A peer is linked, or has told of itself: until then its protocols are not known. Returns whether it is the first one
   * in a network.
   */
  linked(peer: Pick<ConnectedPeer, 'peerId' | 'networks' | 'protocols'>, hasTold: boolean): boolean
  /** A round with the peer has ended, whatever came of it. */
  asked(peerId: string): void
  gone(peerId: string): void
  /** Forgets the links, and holds nothing any longer. */
  stop(): void
}

/** @param components.hold holds live messages until the result is disposed of, or for a limited time */
export function createFirstRounds(components: { engine: Pick<P2PEngine, 'bridge' | 'topics'>; hold(): Disposable }): FirstRounds {
  const { engine } = components
  const networks = new Map<string, readonly NetworkKind[]>()
  /** Peers that are to be asked first. */
  const waiting = new Set<string>()
  let held: Disposable | undefined

  function isAlone(network: NetworkKind): boolean {
    for (const kinds of networks.values()) if (kinds.includes(network)) return false
    return true
  }

  /** A gateway that has joined no topic has missed nothing. A bridge learns its topics from its peers. */
  function hold(): Disposable {
    const live = components.hold()
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

  function done(peerId: string): void {
    waiting.delete(peerId)
    if (waiting.size > 0) return
    held?.[Symbol.dispose]()
    held = undefined
  }

  return {
    linked({ peerId, networks: kinds, protocols }, hasTold) {
      const isNew = !networks.has(peerId)
      const isBack = kinds.some(isAlone)
      networks.set(peerId, kinds)
      if (hasTold && !protocols.includes(historyProtocol)) done(peerId)
      else if (isBack || (isNew && held !== undefined)) {
        waiting.add(peerId)
        held ??= hold()
      }
      return isBack
    },
    asked: done,
    gone(peerId) {
      networks.delete(peerId)
      done(peerId)
    },
    stop() {
      networks.clear()
      for (const peerId of [...waiting]) done(peerId)
    },
  }
}
