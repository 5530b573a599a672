import { isIP } from 'node:net'

/** The addresses at which peers observe this node, such as that of its router. */
export interface Observed {
  /** A peer tells the address at which it observes this node, as `<ip>:<port>` or `<ip>`. */
  note(peerId: string, seenAt: string): void
  /** IP addresses that several peers agree on. With one peer only, its word is enough. */
  addresses(): string[]
  /** The peer's link has closed; its word is forgotten. */
  lost(peerId: string): void
}

/** Peers that must agree, so that a single peer can't make this node announce an address. */
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
