import { BoundedMap } from '../../lib/bounded-map.ts'

/** Remembers which peers told an address, so that dials of the address are charged to them. */
export interface Tellers {
  told(addresses: Iterable<string>, teller: Teller): void
  /** The tellers of an address, at most one for each host. */
  of(address: string): Teller[]
}

/**
 * Where a peer that tells addresses is seen. Peer ids are free, IP addresses are not, so tellers are distinguished by
 * address.
 */
export interface Teller {
  /** The peer's IP address, or that of the relay of its link. */
  ip: string
  isRelayed: boolean
}

/**
 * Maximum remembered hosts, and addresses of each: some 20 MB if all are of maximum length. The oldest are forgotten
 * first.
 */
const maxHosts = 256
const maxAddressesOfHost = 256
const maxAddressLength = 256

export function createTellers(components: { hostOf(ip: string): string }): Tellers {
  const { hostOf } = components
  const hosts = new BoundedMap<string, BoundedMap<string, Teller>>({ max: maxHosts })

  return {
    told(addresses, teller) {
      // A host that relays other peers' links and has a link of its own counts as two tellers.
      const host = `${hostOf(teller.ip)}${teller.isRelayed ? ' relayed' : ''}`
      const told = hosts.get(host) ?? new BoundedMap<string, Teller>({ max: maxAddressesOfHost })
      hosts.set(host, told)
      for (const text of addresses) {
        const address = placeOf(text)
        if (address.length <= maxAddressLength) told.set(address, teller)
      }
    },
    of(address) {
      const place = placeOf(address)
      return [...hosts.values()].flatMap((addresses) => addresses.get(place) ?? [])
    },
  }
}

/**
 * The socket address, without the expected peer; for a relayed address the relay's. Cut from the text, not parsed,
 * since peers tell many addresses.
 */
function placeOf(address: string): string {
  const [socket = ''] = address.split('/p2p-circuit')
  return socket.replace(/\/p2p\/[^/]*$/, '')
}
