import type { MultiaddrResolver } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { dnsaddrResolver } from 'libp2p'
import { withoutPeerId } from '../../dial/endpoint.ts'
import type { DialPolicy } from '../../dial/policy.ts'

/** Maximum addresses of a dnsaddr, in total and per name: as many as libp2p dials for one peer. */
const maxAddresses = 25
/** Maximum names resolved for one dnsaddr: its own, and those in its records. */
const maxNames = 8

/**
 * Resolves /dnsaddr, whose TXT records hold addresses, including other dnsaddrs. This resolver follows each of those
 * once. libp2p bounds only the depth: records that lead to 25 others at every step would keep it busy forever. The
 * addresses have the source of the dnsaddr. A dnsaddr learnt from another peer is not followed, since its records could
 * name any number of others.
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
