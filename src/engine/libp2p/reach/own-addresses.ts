import type { CircuitRelayServerComponents, CircuitRelayTransportComponents } from '@libp2p/circuit-relay-v2'
import type { Connection } from '@libp2p/interface'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { isCircuitAddress } from '../../dial/circuit-address.ts'
import type { PortOptions } from '../transport/port-options.ts'
import { RelayedListener } from '../transport/relayed-listener.ts'

/** The addresses of the running node, as libp2p manages them, and dials of single ones. */
export interface OwnAddresses {
  /** A service of the node, which gives access to its parts. */
  service(components: OwnAddressesComponents): object
  /** Addresses that the node listens on, without peer id and without relayed ones. */
  listened(): string[]
  /**
   * Announces these addresses, and no longer those of an earlier call. `inside` is the listened address that packets to
   * it arrive at: it differs when a router forwards them. libp2p itself announces private addresses only.
   */
  announce(addresses: AnnouncedAddress[]): void
  /** Announces these addresses through relays, without this node's peer id, and no longer those of an earlier call. */
  announceRelayed(addresses: string[]): void
  /** Makes the listener of the node that has these addresses. */
  relayedListener(): RelayedListener
  /** Opens a connection from a port that is not listened on, also when there is one to the peer. @throws Error */
  dialBack(address: Multiaddr, signal: AbortSignal): Promise<Connection>
  /** Opens a connection with signals through a relay, also when there is one to the peer. @throws Error */
  dialBySignals(address: Multiaddr, signal: AbortSignal): Promise<Connection>
}

export interface AnnouncedAddress {
  inside: string
  outside: string
}

type OwnAddressesComponents = Pick<CircuitRelayServerComponents, 'addressManager'> &
  Pick<CircuitRelayTransportComponents, 'transportManager'>

export function createOwnAddresses(): OwnAddresses {
  let components: OwnAddressesComponents | undefined
  let announced: AnnouncedAddress[] = []
  let relayed: RelayedListener | undefined

  function add({ inside, outside }: AnnouncedAddress): void {
    const manager = components?.addressManager
    if (inside !== outside) {
      const { external, internal } = socketsOf({ inside, outside })
      manager?.addPublicAddressMapping(internal.ip, internal.port, external.ip, external.port, external.transport)
    }
    manager?.confirmObservedAddr(multiaddr(outside), { type: inside === outside ? 'transport' : 'ip-mapping' })
  }

  function remove({ inside, outside }: AnnouncedAddress): void {
    const manager = components?.addressManager
    if (inside === outside) {
      manager?.removeObservedAddr(multiaddr(outside))
      return
    }
    const { external, internal } = socketsOf({ inside, outside })
    manager?.removePublicAddressMapping(internal.ip, internal.port, external.ip, external.port, external.transport)
  }

  return {
    service(given) {
      components = given
      announced = []
      return {}
    },
    listened() {
      const all = components?.transportManager.getAddrs() ?? []
      return all.filter((address) => !isCircuitAddress(address)).map((address) => address.toString())
    },
    announce(addresses) {
      const isIn = (list: AnnouncedAddress[], { inside, outside }: AnnouncedAddress) =>
        list.some((each) => each.inside === inside && each.outside === outside)
      for (const each of announced) if (!isIn(addresses, each)) remove(each)
      for (const each of addresses) if (!isIn(announced, each)) add(each)
      announced = addresses
    },
    announceRelayed(addresses) {
      const now = addresses.map((address) => multiaddr(address))
      const before = relayed?.getAddrs() ?? []
      relayed?.set(now)
      for (const each of now) components?.addressManager.confirmObservedAddr(each, { type: 'transport' })
      for (const each of before) if (!addresses.includes(each.toString())) components?.addressManager.removeObservedAddr(each)
    },
    relayedListener() {
      relayed = new RelayedListener()
      return relayed
    },
    async dialBySignals(address, signal) {
      if (components === undefined) throw new Error('the node is not running')
      return await components.transportManager.dial(address, { signal })
    },
    async dialBack(address, signal) {
      if (components === undefined) throw new Error('the node is not running')
      const options: PortOptions & { signal: AbortSignal } = { signal, fromAnyPort: true }
      return await components.transportManager.dial(address, options)
    },
  }
}

/** The socket of an address that the transports listen on: an IP address and a port, as a multiaddr begins. */
export function socketOf(address: string): { ip: string; transport: 'tcp' | 'udp'; port: number } {
  const [, , ip = '', transport, port] = address.split('/')
  return { ip, transport: transport === 'udp' ? 'udp' : 'tcp', port: Number(port) }
}

/** The same address with another IP address and port. */
export function movedTo(address: string, to: { ip: string; port?: number }): string {
  const [, , , transport, port, ...rest] = address.split('/')
  return ['', to.ip.includes(':') ? 'ip6' : 'ip4', to.ip, transport, to.port ?? port, ...rest].join('/')
}

function socketsOf({ inside, outside }: AnnouncedAddress) {
  return { internal: socketOf(inside), external: socketOf(outside) }
}
