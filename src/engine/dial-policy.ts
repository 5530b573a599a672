import { BlockList, isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import type { AddressSource } from '../model/peer.ts'

/**
 * The one gate of every dial (API §6): judges a resolved IP address by where the address that led to it came from. Addresses that
 * operators and clients gave, or the local network, may be private; those that other peers tell only public ones or those of a network
 * this host is in, so that no peer can make a gateway knock at services beside it. Some addresses nobody may dial.
 */
export interface DialPolicy {
  /** Notes where an address came from; the most trusted source counts, an address never noted is learnt. */
  note(address: string, source: AddressSource): void
  sourceOf(address: string): AddressSource
  /** Why an IP address may not be dialled, or undefined when it may. */
  refusal(ip: string, source: AddressSource): string | undefined
}

export interface DialPolicyInit {
  /** Whether private addresses may be dialled at all. */
  dialPrivate: boolean
}

export interface DialPolicyComponents {
  /** The networks of this host, as CIDR; asked at each judgement, since they change. */
  ownNetworks?: () => string[]
}

/** Addresses whose source is remembered; the oldest are forgotten, and then count as learnt. */
const maxNoted = 5_000
const trust: AddressSource[] = ['configured', 'rest', 'mdns', 'learnt']

/** Nobody dials these: this network, link-local with the metadata services of clouds in it, multicast, reserved, broadcast. */
const never = blockList([
  '0.0.0.0/8',
  '169.254.0.0/16',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '100.100.100.200/32', // metadata service of Alibaba Cloud
  '192.0.0.192/32', // metadata service of Oracle Cloud
  '::/128',
  'fe80::/10',
  'ff00::/8',
  'fd00:ec2::254/128', // metadata service of AWS
  'fd20:ce::254/128', // metadata service of Google Cloud
])

const loopback = blockList(['127.0.0.0/8', '::1/128'])

/** Special-purpose addresses that no public host has (RFC 6890 and the IANA registries that keep it up to date). */
const notPublic = blockList([
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '::1/128',
  '64:ff9b:1::/48',
  '100::/64',
  '2001::/23',
  '2001:db8::/32',
  '3fff::/20',
  '5f00::/16',
  'fc00::/7',
  'fec0::/10',
])

export function createDialPolicy(init: DialPolicyInit, components: DialPolicyComponents = {}): DialPolicy {
  const { ownNetworks = interfaceNetworks } = components
  const sources = new Map<string, AddressSource>()

  function refusal(ip: string, source: AddressSource): string | undefined {
    const plain = unmapped(ip)
    if (isIn(never, plain)) return `${ip} is an address that is never dialled`
    if (!isIn(notPublic, plain)) return undefined
    if (!init.dialPrivate) return `${ip} is a private address, and PEERGATE_DIAL is "public"`
    if (source !== 'learnt') return undefined
    if (isIn(loopback, plain) || !isIn(blockList(ownNetworks()), plain)) return `${ip} is a private address that another peer told`
    return undefined
  }

  return {
    note(address, source) {
      const before = sources.get(address)
      sources.delete(address)
      sources.set(address, before !== undefined && trust.indexOf(before) < trust.indexOf(source) ? before : source)
      const oldest = sources.keys().next().value
      if (sources.size > maxNoted && oldest !== undefined) sources.delete(oldest)
    },
    sourceOf: (address) => sources.get(address) ?? 'learnt',
    refusal,
  }
}

function interfaceNetworks(): string[] {
  return Object.values(networkInterfaces()).flatMap((addresses) => (addresses ?? []).flatMap(({ cidr }) => cidr ?? []))
}

function blockList(networks: string[]): BlockList {
  const list = new BlockList()
  for (const network of networks) {
    const [address = '', prefix = ''] = network.split('/')
    list.addSubnet(address, Number(prefix), isIP(address) === 6 ? 'ipv6' : 'ipv4')
  }
  return list
}

function isIn(list: BlockList, ip: string): boolean {
  return list.check(ip, isIP(ip) === 6 ? 'ipv6' : 'ipv4')
}

/** The IPv4 address inside an IPv6 one that a router or this host would translate: mapped, NAT64 and 6to4. */
function unmapped(ip: string): string {
  if (isIP(ip) !== 6) return ip
  const groups = expand(ip)
  const [first, second, third] = groups
  const mapped = groups.slice(0, 5).every((group) => group === 0) && (groups[5] === 0xffff || (groups[5] === 0 && (groups[6] ?? 0) > 0))
  const nat64 = first === 0x64 && second === 0xff9b && groups.slice(2, 6).every((group) => group === 0)
  if (mapped || nat64) return dotted(groups[6] ?? 0, groups[7] ?? 0)
  if (first === 0x2002) return dotted(second ?? 0, third ?? 0)
  return ip
}

/** The eight groups of an IPv6 address. */
function expand(ip: string): number[] {
  const url = new URL(`http://[${ip.split('%')[0]}]`)
  const [head = '', tail] = url.hostname.slice(1, -1).split('::')
  const groups = (text: string) => (text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16)))
  if (tail === undefined) return groups(head)
  const end = groups(tail)
  const start = groups(head)
  return [...start, ...Array<number>(8 - start.length - end.length).fill(0), ...end]
}

function dotted(high: number, low: number): string {
  return [high >> 8, high & 255, low >> 8, low & 255].join('.')
}
