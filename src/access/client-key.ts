import { isIPv4, isIPv6 } from 'node:net'
import { ipNetwork } from '../lib/ip-network.ts'
import { createLru } from '../lib/lru.ts'

/** Id of the grant of clients without a token, while none is required. */
export const anyoneId = 'anyone'

/**
 * The address of all clients behind a proxy on this host that does not forward addresses. Together they count as one
 * client.
 */
export const unknownAddress = 'unknown'

/** What the key of a client without a token begins with, before its address. */
const addressPrefix = 'address '

/** The key of clients without a token on this host, which are exempt from shares. */
export const localKey = 'local'

/**
 * The identity that shares of limits count for: the token, or without one the client's address. For IPv6 that is its
 * first 64 bits, since the holder of one address has all addresses of that network.
 */
export function clientKey({ grantId, address }: { grantId: string; address: string }): string {
  if (grantId !== anyoneId) return grantId
  return addressKey(address)
}

/** The id of the grant that a client has whose key this is. */
export function actorOf(key: string): string {
  return key === localKey || key.startsWith(addressPrefix) ? anyoneId : key
}

/** The identity that limits per address count for. */
export function addressKey(address: string): string {
  return isLoopbackAddress(address) ? localKey : addressPrefix + networkOf(address)
}

/** Whether the address is a loopback address. */
export function isLoopbackAddress(address: string): boolean {
  const plain = plainAddress(address)
  return isIPv4(plain) ? plain.startsWith('127.') : plain === '::1'
}

/** The address of a client as limits count it: for IPv6 its /64 network. */
export function networkOf(address: string): string {
  return ipNetwork(plainAddress(address))
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
