import type { Address } from '@libp2p/interface'
import { circuitRelayAddressesLast, loopbackAddressLast, publicAddressesFirst, reliableTransportsFirst } from '@libp2p/utils'

/**
 * The order in which the addresses of a peer are dialled: that of libp2p (connection-manager/address-sorter.js), and of
 * two that are equal in it the one of IPv6 first. Routers translate nothing there.
 */
export function addressOrder(one: Address, other: Address): -1 | 0 | 1 {
  const [a, b] = [one.multiaddr, other.multiaddr]
  return (
    loopbackAddressLast(a, b) ||
    publicAddressesFirst(a, b) ||
    circuitRelayAddressesLast(a, b) ||
    first(one.isCertified, other.isCertified) ||
    reliableTransportsFirst(a, b) ||
    first(isIpv6(one), isIpv6(other))
  )
}

function first(one: boolean, other: boolean): -1 | 0 | 1 {
  if (one === other) return 0
  return one ? -1 : 1
}

function isIpv6({ multiaddr }: Address): boolean {
  return multiaddr.getComponents()[0]?.name === 'ip6'
}
