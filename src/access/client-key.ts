import { isIPv4, isIPv6 } from 'node:net'

/** The grant of clients without a token, while none is needed. */
export const anyoneId = 'anyone'

/** The key of clients without a token on this host: they may have everything. */
export const localKey = 'local'

/**
 * Who holds a share of what is bounded: a token, or for clients without one the address they come from, of IPv6 its first 64 bits, since
 * whoever has one such address has all of them.
 */
export function clientKey({ grantId, address }: { grantId: string; address: string }): string {
  if (grantId !== anyoneId) return grantId
  return isLoopbackAddress(address) ? localKey : `address ${networkOf(address)}`
}

/** Whether the address is of this host alone. */
export function isLoopbackAddress(address: string): boolean {
  const bare = withoutMapping(address)
  if (isIPv4(bare)) return bare.startsWith('127.')
  return isIPv6(bare) && canonical(bare) === '::1'
}

/** The address that a client counts by: of IPv6 the network of 64 bits. */
export function networkOf(address: string): string {
  const bare = withoutMapping(address).split('%')[0] ?? ''
  if (!isIPv6(bare)) return bare
  const [head = '', tail] = canonical(bare).split('::')
  const groups = head === '' ? [] : head.split(':')
  const missing = tail === undefined ? 0 : 8 - groups.length - (tail === '' ? 0 : tail.split(':').length)
  const all = [...groups, ...Array<string>(missing).fill('0'), ...(tail === undefined || tail === '' ? [] : tail.split(':'))]
  return `${all.slice(0, 4).join(':')}::/64`
}

/** Its one spelling, without an embedded IPv4 (RFC 5952, as URLs have it). */
function canonical(address: string): string {
  return new URL(`http://[${address.split('%')[0]}]`).hostname.slice(1, -1)
}

/** IPv4 as a socket for both families shows it. */
function withoutMapping(address: string): string {
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address
}
