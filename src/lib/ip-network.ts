import { isIP, isIPv6 } from 'node:net'
import { createLru } from './lru.ts'

/** The eight groups of an IPv6 address. */
export function ipv6Groups(ip: string): number[] {
  const url = new URL(`http://[${ip.split('%')[0]}]`)
  const [head = '', tail] = url.hostname.slice(1, -1).split('::')
  const groups = (text: string) => (text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16)))
  if (tail === undefined) return groups(head)
  const end = groups(tail)
  const start = groups(head)
  return [...start, ...Array<number>(8 - start.length - end.length).fill(0), ...end]
}

/**
 * The range of addresses that one party controls: an IPv4 address, or an IPv6 network of 64 bits. Text that is not an
 * IP address is returned unchanged.
 */
export function ipNetwork(ip: string): string {
  if (isIP(ip) !== 6) return ip
  const [first, second, third, fourth] = ipv6Groups(ip).map((group) => group.toString(16))
  return `${first}:${second}:${third}:${fourth}::/64`
}

/**
 * The range of addresses that a provider has, and whose customers may have many addresses: 16 bits of IPv4, or 32 of IPv6,
 * the least that registries assign to a provider. Text that is not an IP address is returned unchanged.
 */
export function providerNetwork(ip: string): string {
  if (isIP(ip) === 4) return `${ip.split('.').slice(0, 2).join('.')}.0.0/16`
  if (isIP(ip) !== 6) return ip
  const [first, second] = ipv6Groups(ip).map((group) => group.toString(16))
  return `${first}:${second}::/32`
}

/**
 * The canonical form of an address, without a zone. IPv4-mapped IPv6 addresses, as dual-stack sockets give them, become
 * IPv4.
 */
export function plainAddress(address: string): string {
  const bare = address.split('%')[0] ?? ''
  return bare.includes(':') && isIPv6(bare) ? canonicalIpv6(bare) : bare
}

/** Each request asks a dozen times for that of its client. */
const maxAddresses = 1_000
const canonicalIpv6 = createLru({ max: maxAddresses }, (bare) => {
  // URLs have the form of RFC 5952, without an embedded IPv4 address.
  const canonical = new URL(`http://[${bare}]`).hostname.slice(1, -1)
  const [, high, low] = /^::ffff:([\da-f]{1,4}):([\da-f]{1,4})$/.exec(canonical) ?? []
  if (high === undefined || low === undefined) return canonical
  return [high, low].flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff]).join('.')
})
