import type { PeerTraffic } from '../model/peer.ts'

/** What the exchange of messages with a linked peer is like. */
export interface PeerExchange {
  /** Counted since the first link to the peer. */
  traffic: PeerTraffic
  /** The engine's opinion of the peer: below zero for one that has misbehaved. Null when it has none. */
  score: number | null
}

export const noTraffic: PeerTraffic = { messagesIn: 0, bytesIn: 0, messagesOut: 0, bytesOut: 0 }

/** Counts the messages of topics that each linked peer and this node send each other. */
export interface TrafficCounter {
  received(peerId: string, bytes: number): void
  sent(peerId: string, messages: number, bytes: number): void
  of(peerId: string): PeerTraffic
  /** The last link to the peer has ended. */
  gone(peerId: string): void
}

/** @param components isLinked what is left of a peer after its last link is not counted, so that entries do not pile up */
export function createTrafficCounter(components: { isLinked(peerId: string): boolean }): TrafficCounter {
  const counts = new Map<string, PeerTraffic>()

  function countOf(peerId: string): PeerTraffic {
    const known = counts.get(peerId)
    if (known !== undefined) return known
    const fresh = { ...noTraffic }
    if (components.isLinked(peerId)) counts.set(peerId, fresh)
    return fresh
  }

  return {
    received(peerId, bytes) {
      const count = countOf(peerId)
      count.messagesIn++
      count.bytesIn += bytes
    },
    sent(peerId, messages, bytes) {
      const count = countOf(peerId)
      count.messagesOut += messages
      count.bytesOut += bytes
    },
    of: (peerId) => ({ ...(counts.get(peerId) ?? noTraffic) }),
    gone: (peerId) => void counts.delete(peerId),
  }
}

/** The exchange over several links of one peer, each of a network. */
export function mergedExchange(exchanges: readonly PeerExchange[]): PeerExchange {
  const sum = (name: keyof PeerTraffic) => exchanges.reduce((total, { traffic }) => total + traffic[name], 0)
  const scores = exchanges.flatMap(({ score }) => score ?? [])
  return {
    traffic: {
      messagesIn: sum('messagesIn'),
      bytesIn: sum('bytesIn'),
      messagesOut: sum('messagesOut'),
      bytesOut: sum('bytesOut'),
    },
    score: scores.length === 0 ? null : Math.min(...scores),
  }
}
