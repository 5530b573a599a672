import { parseAddress, peerIdOf } from '../../model/peer.ts'
import { withoutPeerId } from '../dial/endpoint.ts'
import type { KeptPeer } from '../dial/keep-connected.ts'

/**
 * The peers of the configuration. One that is given without a peer id goes by its address, until somebody has answered there.
 */
export interface Bootstrap {
  /** As `KeepConnected` takes them. */
  readonly peers: KeptPeer[]
  /** Who goes by this name; the name itself when nobody is known to. */
  peerIdOf(name: string): string
  /** By which name a peer goes. */
  nameOf(peerId: string): string
  /** Somebody has answered at an address. */
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
