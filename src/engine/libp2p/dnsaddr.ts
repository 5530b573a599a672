import type { MultiaddrResolver } from '@libp2p/interface'
import { dnsaddrResolver } from 'libp2p'
import type { DialPolicy } from '../dial-policy.ts'
import { withoutPeerId } from '../endpoint.ts'

/** Addresses that are taken from one dnsaddr record: as many as libp2p dials of one peer. */
const maxAddresses = 25

/**
 * Resolves /dnsaddr, whose TXT records hold addresses. They come from where the dnsaddr came from; one that another peer told is not
 * followed, since its records could name any number of further ones.
 */
export function createDnsaddrResolver(policy: DialPolicy, resolver: MultiaddrResolver = dnsaddrResolver): MultiaddrResolver {
  return {
    canResolve: (address) => resolver.canResolve(address),
    async resolve(address, options) {
      const where = withoutPeerId(address)
      const source = policy.sourceOf(where)
      if (source === 'learnt') return []
      const found = (await resolver.resolve(address, options)).slice(0, maxAddresses)
      for (const one of found) {
        policy.note(withoutPeerId(one), source)
        policy.leads(where, withoutPeerId(one))
      }
      return found
    },
  }
}
