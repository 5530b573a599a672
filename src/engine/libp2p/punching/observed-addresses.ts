import type { Connection, IdentifyResult } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { BoundedMap } from '../../../lib/bounded-map.ts'
import type { PunchTransport } from '../../../telemetry/network-metrics.ts'
import { endpointOf, withoutPeerId } from '../../dial/endpoint.ts'
import { hostOf, isPublicAddress } from '../../dial/policy.ts'
import { seenAtOf } from '../teller-of.ts'

/**
 * The addresses at which peers on the Internet see the ports of this node to which others can punch holes. They are told only to peers that
 * this node tries to reach through its router. libp2p's own list has none of them: identify throws away what is
 * observed over TCP (https://github.com/libp2p/js-libp2p/issues/2620).
 */
export interface ObservedAddresses {
  /** The connection was dialled from such a port. */
  dialled(connection: Connection): void
  isFromOwnPort(connection: Connection): boolean
  /** The peer of a connection has told where it sees this node. */
  told(result: Pick<IdentifyResult, 'connection' | 'observedAddr'>): void
  /** Without peer id, the latest last. */
  all(): string[]
}

/** Number of hosts whose last observation is kept, for each transport. Behind one router, all of them see the same address. */
const maxObservers = 4

export function createObservedAddresses(): ObservedAddresses {
  const fromOwnPort = new WeakSet<Connection>()
  const byObserver = {
    tcp: new BoundedMap<string, string>({ max: maxObservers }),
    udp: new BoundedMap<string, string>({ max: maxObservers }),
  }

  return {
    dialled: (connection) => void fromOwnPort.add(connection),
    isFromOwnPort: (connection) => fromOwnPort.has(connection),
    told({ connection, observedAddr }) {
      const observer = seenAtOf(connection.remoteAddr)
      if (observer === undefined || observedAddr === undefined || !fromOwnPort.has(connection)) return
      const transport = punchTransportOf(observedAddr)
      if (transport !== undefined) byObserver[transport].set(hostOf(observer), withoutPeerId(observedAddr))
    },
    all: () => [...new Set([...byObserver.tcp.values(), ...byObserver.udp.values()])],
  }
}

/** By what a hole can be punched to an address: one of the Internet, of TCP or QUIC. */
export function punchTransportOf(address: Multiaddr): PunchTransport | undefined {
  const [host] = address.getComponents()
  const form = endpointOf(address)?.form
  if (!isPublicAddress(host?.value ?? '')) return undefined
  if (form === 'tcp') return 'tcp'
  return form === 'quic' ? 'udp' : undefined
}
