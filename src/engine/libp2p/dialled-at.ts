import type { Connection } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { DialGate } from '../dial/gate.ts'

/** At which addresses connections were dialled. Sockets know only the IP address that a name led to, and nobody has given that. */
export interface DialledAt {
  /** A gate that notes the address of every connection that is dialled through it. */
  through(gate: DialGate): DialGate
  of(connection: Connection): Multiaddr
}

export function createDialledAt(): DialledAt {
  const addresses = new WeakMap<WeakKey, Multiaddr>()

  function note<Link>(link: Link, address: Multiaddr): Link {
    if (typeof link === 'object' && link !== null) addresses.set(link, address)
    return link
  }

  return {
    through: (gate) => ({
      dial: async (address, signal, connect) => note(await gate.dial(address, signal, connect), address),
      dialThrough: async (address, ends, open) => note(await gate.dialThrough(address, ends, open), address),
    }),
    of: (connection) => addresses.get(connection) ?? connection.remoteAddr,
  }
}
