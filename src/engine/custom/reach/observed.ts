import { isIP } from 'node:net'

/** Where this node is seen at by its peers: the address of the router that it is behind, say. */
export interface Observed {
  /** A peer says where it sees this node, as `<ip>:<port>` or `<ip>`. */
  note(peerId: string, seenAt: string): void
  /** IP addresses that several peers agree on; one peer's word is enough when there is no other. */
  addresses(): string[]
  /** The peer is gone, and its word with it. */
  lost(peerId: string): void
}

/** Peers that must agree, so that no single one can have this node announce an address. */
const quorum = 2

export function createObserved(): Observed {
  const seen = new Map<string, string>()

  return {
    note(peerId, seenAt) {
      const ip = hostOf(seenAt)
      if (isIP(ip) === 0) seen.delete(peerId)
      else seen.set(peerId, ip)
    },
    addresses() {
      const votes = new Map<string, number>()
      for (const ip of seen.values()) votes.set(ip, (votes.get(ip) ?? 0) + 1)
      const needed = Math.min(quorum, seen.size)
      return [...votes].filter(([, count]) => count >= needed).map(([ip]) => ip)
    },
    lost: (peerId) => void seen.delete(peerId),
  }
}

function hostOf(seenAt: string): string {
  return /^\[(.+)\]:\d+$/.exec(seenAt)?.[1] ?? /^([\d.]+):\d+$/.exec(seenAt)?.[1] ?? seenAt
}
