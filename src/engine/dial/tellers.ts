/** Which peers have told an address, so that each answers for what this node does on its word. */
export interface Tellers {
  told(addresses: Iterable<string>, teller: Teller): void
  /** Those that have told it, by the host that they are seen at. */
  of(address: string): Teller[]
}

/** Where a peer that tells addresses is seen. Peer ids are free; IP addresses are not, so tellers are told apart by these. */
export interface Teller {
  /** Its own IP address, or that of the relay that its link goes through. */
  ip: string
  isRelayed: boolean
}

/** Hosts whose words are remembered, and addresses of each: some 20 MB if all tell the longest. The oldest are forgotten first. */
const maxHosts = 256
const maxAddressesOfHost = 256
const maxAddressLength = 256

export function createTellers(components: { hostOf(ip: string): string }): Tellers {
  const { hostOf } = components
  const hosts = new Map<string, Map<string, Teller>>()

  function addressesOf(host: string): Map<string, Teller> {
    const addresses = hosts.get(host) ?? new Map<string, Teller>()
    hosts.delete(host)
    hosts.set(host, addresses)
    dropOldest(hosts, maxHosts)
    return addresses
  }

  return {
    told(addresses, teller) {
      // A host that relays others' links and has one of its own is two tellers.
      const told = addressesOf(`${hostOf(teller.ip)}${teller.isRelayed ? ' relayed' : ''}`)
      for (const text of addresses) {
        const address = placeOf(text)
        if (address.length > maxAddressLength) continue
        told.delete(address)
        told.set(address, teller)
        dropOldest(told, maxAddressesOfHost)
      }
    },
    of(address) {
      const place = placeOf(address)
      return [...hosts.values()].flatMap((addresses) => addresses.get(place) ?? [])
    },
  }
}

/** Where a socket goes: without who is expected there, and of a way through a relay the relay. Not parsed, since peers tell many. */
function placeOf(address: string): string {
  const [socket = ''] = address.split('/p2p-circuit')
  return socket.replace(/\/p2p\/[^/]*$/, '')
}

function dropOldest(map: Map<string, unknown>, max: number): void {
  const [oldest] = map.keys()
  if (map.size > max && oldest !== undefined) map.delete(oldest)
}
