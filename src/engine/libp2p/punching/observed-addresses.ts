import type { Connection, IdentifyResult } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { BoundedMap } from '../../../lib/bounded-map.ts'
import { endpointOf, withoutPeerId } from '../../dial/endpoint.ts'
import { hostOf, isPublicAddress } from '../../dial/policy.ts'
import { seenAtOf } from '../teller-of.ts'

/**
 * The addresses at which peers on the Internet see the listening port of this node. They are told only to peers that
 * this node tries to reach through its router. libp2p's own list has none of them: identify throws away what is
 * observed over TCP (https://github.com/libp2p/js-libp2p/issues/2620).
 */
export interface ObservedAddresses {
  /** The connection was dialled from the listening port. */
  dialled(connection: Connection): void
  /** The peer of a connection has told where it sees this node. */
  told(result: Pick<IdentifyResult, 'connection' | 'observedAddr'>): void
  /** Without peer id, the latest last. */
  all(): string[]
}

/** Number of hosts whose last observation is kept. Behind one router, all of them see the same address. */
const maxObservers = 4

export function createObservedAddresses(): ObservedAddresses {
  const fromOwnPort = new WeakSet<Connection>()
  const byObserver = new BoundedMap<string, string>({ max: maxObservers })

  return {
    dialled: (connection) => void fromOwnPort.add(connection),
    told({ connection, observedAddr }) {
      const observer = seenAtOf(connection.remoteAddr)
      if (observer === undefined || observedAddr === undefined || !fromOwnPort.has(connection)) return
      if (isPublicTcp(observedAddr)) byObserver.set(hostOf(observer), withoutPeerId(observedAddr))
    },
    all: () => [...new Set(byObserver.values())],
  }
}

export function isPublicTcp(address: Multiaddr): boolean {
  const [host] = address.getComponents()
  return endpointOf(address)?.form === 'tcp' && isPublicAddress(host?.value ?? '')
}
