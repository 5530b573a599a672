import { isIP } from 'node:net'

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
