import type { MultiaddrResolver } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { dnsaddrResolver } from 'libp2p'
import { withoutPeerId } from '../../dial/endpoint.ts'
import type { DialPolicy } from '../../dial/policy.ts'

/** Addresses that a dnsaddr leads to, in all and in one of its names: as many as libp2p dials of one peer. */
const maxAddresses = 25
/** Names that are looked up for one dnsaddr: its own, and those that its records lead on to. */
const maxNames = 8

/**
 * Resolves /dnsaddr, whose TXT records hold addresses, other dnsaddrs among them. These are followed here, each once, and not by libp2p,
 * which bounds only the depth: records that lead on to 25 others at every step would keep it busy for ever. The addresses
 * come from where the dnsaddr came from; one that another peer told is not followed, since its records could name any number of further ones.
 */
export function createDnsaddrResolver(policy: DialPolicy, resolver: MultiaddrResolver = dnsaddrResolver): MultiaddrResolver {
  return {
    canResolve: (address) => resolver.canResolve(address),
    async resolve(address, options) {
      const source = policy.sourceOf(withoutPeerId(address))
      if (source === 'learnt') return []
      const found: Multiaddr[] = []
      const names = new Map([[address.toString(), address]])
      for (const name of names.values()) {
        options.signal?.throwIfAborted()
        const where = withoutPeerId(name)
        for (const one of (await resolver.resolve(name, options)).slice(0, maxAddresses)) {
          const leadsOn = resolver.canResolve(one)
          if (leadsOn ? names.size >= maxNames : found.length >= maxAddresses) continue
          policy.note(withoutPeerId(one), source)
          policy.leads(where, withoutPeerId(one))
          if (leadsOn) names.set(one.toString(), one)
          else found.push(one)
        }
      }
      return found
    },
  }
}
