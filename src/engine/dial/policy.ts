import { BlockList, isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import { BoundedMap } from '../../lib/bounded-map.ts'
import { createCounter } from '../../lib/counter.ts'
import { ipNetwork, ipv6Groups } from '../../lib/ip-network.ts'
import type { AddressSource } from '../../model/peer.ts'
import { createAddressSources } from './sources.ts'
import { createTellers, type Teller } from './tellers.ts'

/**
 * The dial policy of every dial: judges a resolved IP address by the source of the address that led to it. Addresses
 * from the operator, clients or the local network may be private; of those from the local network, this host's own only if
 * this host has announced them. Addresses learnt from other peers may be public; or private, if this host and a peer that
 * told the address are both in that network, so that no remote peer can make a gateway probe services on its network. Some
 * addresses are never dialled.
 */
export interface DialPolicy {
  /** Records the source of an address. The most trusted source wins; an unrecorded address is `learnt`. */
  note(address: string, source: AddressSource): void
  sourceOf(address: string): AddressSource
  /** Records that a peer told addresses, its own or others'. */
  told(addresses: Iterable<string>, teller: Teller): void
  /** Marks an address that was judged when a peer told it, before this node restarted. */
  remembered(address: string): void
  /** The remembered tellers of the address. */
  tellersOf(address: string): Told
  /** Why an IP address may not be dialled, or undefined when it may. */
  refusal(ip: string, source: AddressSource, told?: Told): string | undefined
  /**
   * Whether a peer may tell an address, given where it is seen. False for private addresses of shared networks that the
   * peer is not in.
   */
  mayTell(address: string, teller: Teller): boolean
  /** Marks dials of the address as requested by the operator or a client, the asker, until disposal. */
  asking(address: string, asker?: string): Disposable
  /** Records that an address was found under another one (dnsaddr): a request for `from` is a request for `to`. */
  leads(from: string, to: string): void
  isAskedFor(address: string): boolean
  /** Who has asked for the address last; empty for the operator and for nobody. */
  askerOf(address: string): string
}

/** The peers that an address was learnt from. */
export interface Told {
  tellers: Teller[]
  isRemembered: boolean
}

/** No known teller. */
const untold: Told = { tellers: [], isRemembered: false }
/** Maximum remembered addresses of peers, and of those found under others; the oldest are forgotten first. */
const maxRemembered = 2_000

export interface DialPolicyInit {
  /** Whether private addresses may be dialled at all. */
  dialPrivate: boolean
  /**
   * Whether addresses of this host itself may be dialled when learnt from other peers: for several gateways on one
   * host.
   */
  dialOwnHost?: boolean
}

export interface DialPolicyComponents {
  /**
   * This host's addresses with their networks, in CIDR notation (`192.0.2.7/24`); read for each decision, since they
   * change.
   */
  ownAddresses?: () => string[]
}

/**
 * Never dialled: "this" network, link-local addresses including cloud metadata services, multicast, reserved,
 * broadcast.
 */
const never = blockList([
  '0.0.0.0/8',
  '169.254.0.0/16',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '100.100.100.200/32', // metadata service of Alibaba Cloud
  '168.63.129.16/32', // services of Azure to its machines
  '192.0.0.192/32', // metadata service of Oracle Cloud
  '::/128',
  'fe80::/10',
  'fec0::/10', // site-local, which fc00::/7 replaced (RFC 3879)
  'ff00::/8',
  'fd00:ec2::/32', // metadata and other services of AWS
  'fd20:ce::/32', // metadata service of Google Cloud
  'fd00:c1::/32', // metadata service of Oracle Cloud
  'fd00:42::42/128', // metadata service of Scaleway
  'fd00:a9fe:a9fe::/48', // metadata service of Akamai
  'fd00:100::/32', // metadata service of Alibaba Cloud
])

const loopback = blockList(['127.0.0.0/8', '::1/128'])

/** Special-purpose addresses that no public host has (RFC 6890 and the IANA registries that update it). */
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
  '2001::/23', // with Teredo, 2001::/32
  '2001:db8::/32',
  '3fff::/20',
])

/** IPv6 addresses that IANA allocates to public hosts; all others are special or unallocated. */
const globalUnicast = blockList(['2000::/3'])

export function createDialPolicy(init: DialPolicyInit, components: DialPolicyComponents = {}): DialPolicy {
  const { ownAddresses = interfaceAddresses } = components
  const sources = createAddressSources()

  const tellers = createTellers({ hostOf })
  const asked = createCounter()
  const askers = new Map<string, string>()
  const remembered = new BoundedMap<string, true>({ max: maxRemembered })
  const foundUnder = new BoundedMap<string, string>({ max: maxRemembered })

  /** The networks of this host that contain an IP address. */
  function networksOf(ip: string, own: string[]): string[] {
    if (isIn(loopback, ip) || own.some((cidr) => unmapped(cidr.split('/')[0] ?? '') === ip)) return [thisHost]
    return own.filter((cidr) => isIn(blockList([cidr]), ip))
  }

  function isInOneWith(networks: string[], { ip, isRelayed }: Teller, own: string[]): boolean {
    if (isRelayed || isIP(ip) === 0) return false
    const theirs = networksOf(unmapped(ip), own)
    // This host is in all of its own networks.
    return theirs.includes(thisHost) || networks.some((network) => theirs.includes(network))
  }

  /** Why an address learnt from another peer may not be dialled, or undefined. */
  function learntRefusal(ip: string, { tellers: told, isRemembered }: Told): string | undefined {
    const own = ownAddresses()
    const networks = networksOf(ip, own)
    if (networks.includes(thisHost) && init.dialOwnHost !== true) {
      return 'is an address of this host, learnt from another peer (PEERGATE_DIAL=host allows that)'
    }
    if (isPublic(ip)) return undefined
    if (networks.length === 0) return 'is a private address outside the networks of this host, learnt from another peer'
    if (isRemembered || told.some((teller) => isInOneWith(networks, teller, own))) return undefined
    return 'is private, and was not told by a peer in its network'
  }

  /** Why an address that a host of the local network has announced may not be dialled, or undefined. */
  function announcedRefusal(ip: string, { tellers: told }: Told): string | undefined {
    const own = ownAddresses()
    if (init.dialOwnHost === true || !networksOf(ip, own).includes(thisHost)) return undefined
    return told.some((teller) => isInOneWith([thisHost], teller, own)) ? undefined : 'is an address of this host, announced by another host'
  }

  const judgeOf: Partial<Record<AddressSource, typeof learntRefusal>> = { learnt: learntRefusal, mdns: announcedRefusal }

  return {
    note: (address, source) => sources.note(address, source),
    sourceOf: (address) => sources.sourceOf(address),
    told: (addresses, teller) => tellers.told(addresses, teller),
    remembered: (address) => void remembered.set(address, true),
    tellersOf: (address) => ({ tellers: tellers.of(address), isRemembered: remembered.has(address) }),
    mayTell(address, teller) {
      const ip = unmapped(/^\/ip[46]\/([^/]+)/.exec(address)?.[1] ?? '')
      if (isIP(ip) === 0 || isPublic(ip)) return true
      // The path through its relay, at the address where the relay is seen.
      if (teller.isRelayed && address.includes('/p2p-circuit') && unmapped(teller.ip) === ip) return true
      const own = ownAddresses()
      const networks = networksOf(ip, own)
      return networks.length === 0 || isInOneWith(networks, teller, own)
    },
    asking(address, asker = '') {
      asked.add(address)
      askers.set(address, asker)
      let isAsked = true
      return {
        [Symbol.dispose]() {
          if (isAsked) asked.remove(address)
          isAsked = false
          if (asked.count(address) === 0) askers.delete(address)
        },
      }
    },
    askerOf: (address) => askers.get(address) ?? askers.get(foundUnder.get(address) ?? '') ?? '',
    leads: (from, to) => void foundUnder.set(to, from),
    isAskedFor: (address) => asked.count(address) > 0 || asked.count(foundUnder.get(address) ?? address) > 0,
    refusal(text, source, told = untold) {
      if (isIP(text) === 0) return `"${text}" is not an IP address`
      const ip = unmapped(text)
      if (isIn(never, ip)) return `${text} is link-local, multicast, reserved or a cloud provider's service, and is never dialled`
      if (!init.dialPrivate && !isPublic(ip)) return `${text} is private, and PEERGATE_DIAL is "public"`
      const refusal = judgeOf[source]?.(ip, told)
      return refusal === undefined ? undefined : `${text} ${refusal}`
    },
  }
}

/** Represents this host as a network of its own. */
const thisHost = 'this host'

/** The network that one party controls, in normal form: an IPv4 address, or an IPv6 /64. */
export function hostOf(text: string): string {
  return ipNetwork(unmapped(text))
}

/** Whether an IP address, in any notation, is on the public Internet. */
export function isPublicAddress(text: string): boolean {
  return isIP(text) !== 0 && isPublic(unmapped(text))
}

export function isLoopbackAddress(text: string): boolean {
  return isIP(text) !== 0 && isIn(loopback, unmapped(text))
}

function isPublic(ip: string): boolean {
  return !isIn(never, ip) && !isIn(notPublic, ip) && (isIP(ip) === 4 || isIn(globalUnicast, ip))
}

function interfaceAddresses(): string[] {
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

/**
 * The normal form of an IPv6 address, without a zone; or the embedded IPv4 address that a router or this host would
 * translate it to.
 */
function unmapped(text: string): string {
  if (isIP(text) !== 6) return text
  const groups = ipv6Groups(text)
  const [first = 0, second = 0, third = 0] = groups
  const [sixth = 0, seventh = 0, eighth = 0] = groups.slice(5)
  const startsWith = (...prefix: number[]) => prefix.every((group, index) => groups[index] === group)
  // ::ffff:a.b.c.d (RFC 4291), ::ffff:0:a.b.c.d (RFC 2765) and 64:ff9b::a.b.c.d (RFC 6052)
  const mapped = startsWith(0, 0, 0, 0, 0, 0xffff) || startsWith(0, 0, 0, 0, 0xffff, 0)
  if (mapped || startsWith(0x64, 0xff9b, 0, 0, 0, 0)) return dotted(seventh, eighth)
  // 64:ff9b:1::a.b.c.d (RFC 8215): a translator of the local network, so private whatever the target
  if (startsWith(0x64, 0xff9b, 1) && isIn(never, dotted(seventh, eighth))) return dotted(seventh, eighth)
  // ::a.b.c.d, the deprecated IPv4-compatible form; :: and ::1 are addresses of their own
  if (startsWith(0, 0, 0, 0, 0) && sixth === 0 && seventh > 0) return dotted(seventh, eighth)
  // 2002:aabb:ccdd:: (RFC 3056)
  if (first === 0x2002) return dotted(second, third)
  return groups.map((group) => group.toString(16)).join(':')
}

function dotted(high: number, low: number): string {
  return [high >> 8, high & 255, low >> 8, low & 255].join('.')
}
