import { hostOf } from './dial/policy.ts'
import type { Teller } from './dial/tellers.ts'

/** A peer that takes something of what peers share, and the address that it takes it for: peer ids are free, IP addresses are not. */
export interface Asker {
  peerId: string
  /** What peers of one address share, of IPv6 of one /64. A configured peer has an entry of its own. */
  host: string
}

/** @param seen where its link leads; peers behind one relay count together, apart from the relay's own */
export function askerOf(peerId: string, seen: Teller, { isConfigured }: { isConfigured: boolean }): Asker {
  return { peerId, host: isConfigured ? `peer ${peerId}` : `${hostOf(seen.ip)}${seen.isRelayed ? ' relayed' : ''}` }
}
