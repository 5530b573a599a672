import { hostOf } from './dial/policy.ts'
import type { Teller } from './dial/tellers.ts'

/** A peer that uses a shared resource, and the address that it counts for: peer ids are free, IP addresses are not. */
export interface Asker {
  peerId: string
  /** Key that the peers of one address (for IPv6 one /64) share. A configured peer has its own key. */
  host: string
}

/** @param seen where the peer's link leads; the peers behind one relay count together, apart from the relay itself */
export function askerOf(peerId: string, seen: Teller, { isConfigured }: { isConfigured: boolean }): Asker {
  return { peerId, host: isConfigured ? `peer ${peerId}` : `${hostOf(seen.ip)}${seen.isRelayed ? ' relayed' : ''}` }
}
