import type { Connection } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { DialGate } from '../dial/gate.ts'

/**
 * Remembers the address at which each connection was dialled. A socket knows only the IP address that a name resolved
 * to, which neither the operator nor a client gave.
 */
export interface DialledAt {
  /** Wraps a gate to record the address of each connection that it dials. */
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
      dial: async (address, signal, connect, options) => note(await gate.dial(address, signal, connect, options), address),
      dialThrough: async (address, ends, open) => note(await gate.dialThrough(address, ends, open), address),
    }),
    of: (connection) => addresses.get(connection) ?? connection.remoteAddr,
  }
}
