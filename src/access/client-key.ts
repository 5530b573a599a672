import { isIPv4, isIPv6 } from 'node:net'
import { ipNetwork } from '../lib/ip-network.ts'

/** The grant of clients without a token, while none is needed. */
export const anyoneId = 'anyone'

/** Stands for the address of clients behind a proxy of this host that does not say whom it asks for: together they are one client. */
export const unknownAddress = 'unknown'

/** The key of clients without a token on this host: they may have everything. */
export const localKey = 'local'

/**
 * Who holds a share of what is bounded: a token, or for clients without one the address they come from, of IPv6 its first 64 bits, since
 * the holder of one such address has all of them.
 */
export function clientKey({ grantId, address }: { grantId: string; address: string }): string {
  if (grantId !== anyoneId) return grantId
  return addressKey(address)
}

/** Who holds a share of what is counted by address alone. */
export function addressKey(address: string): string {
  return isLoopbackAddress(address) ? localKey : `address ${networkOf(address)}`
}

/** Whether the address is of this host alone. */
export function isLoopbackAddress(address: string): boolean {
  const plain = plainAddress(address)
  return isIPv4(plain) ? plain.startsWith('127.') : plain === '::1'
}

/** The address that a client counts by: of IPv6 the network of 64 bits. */
export function networkOf(address: string): string {
  return ipNetwork(plainAddress(address))
}

/** The one spelling of an address, without a zone; IPv4 as such, also where a socket for both families shows it as IPv6. */
export function plainAddress(address: string): string {
  const bare = address.split('%')[0] ?? ''
  if (!isIPv6(bare)) return bare
  // RFC 5952, as URLs have it: without an embedded IPv4.
  const canonical = new URL(`http://[${bare}]`).hostname.slice(1, -1)
  const [, high, low] = /^::ffff:([\da-f]{1,4}):([\da-f]{1,4})$/.exec(canonical) ?? []
  if (high === undefined || low === undefined) return canonical
  return [high, low].flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff]).join('.')
}
