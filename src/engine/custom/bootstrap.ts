import { parseAddress, peerIdOf } from '../../model/peer.ts'
import { withoutPeerId } from '../dial/endpoint.ts'
import type { KeptPeer } from '../dial/keep-connected.ts'

/**
 * The configured peers. A peer without a configured peer id is named by its address until a peer has answered there.
 */
export interface Bootstrap {
  /** Peers by name, for `KeepConnected`. */
  readonly peers: KeptPeer[]
  /** The peer id for a name; the name itself while the peer is unknown. */
  peerIdOf(name: string): string
  /** The name of a peer. */
  nameOf(peerId: string): string
  /** A peer has answered at an address. */
  answered(address: string, peerId: string): void
  has(peerId: string): boolean
}

export function createBootstrap(addresses: string[]): Bootstrap {
  const byName = new Map<string, string[]>()
  const answeredBy = new Map<string, string>()
  for (const text of addresses) {
    const address = parseAddress(text)
    const name = peerIdOf(address) ?? withoutPeerId(address)
    byName.set(name, [...(byName.get(name) ?? []), address.toString()])
  }

  function nameOf(peerId: string): string {
    return [...answeredBy].find(([, id]) => id === peerId)?.[0] ?? peerId
  }

  return {
    peers: [...byName].map(([peerId, multiaddrs]) => ({ peerId, multiaddrs })),
    peerIdOf: (name) => answeredBy.get(name) ?? name,
    nameOf,
    answered(address, peerId) {
      if (byName.has(address)) answeredBy.set(address, peerId)
    },
    has: (peerId) => byName.has(nameOf(peerId)),
  }
}
