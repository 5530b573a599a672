import type { DCUtRServiceComponents } from '@libp2p/dcutr'
import type { Connection, ConnectionGater } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { createDeadline } from '../../../lib/deadline.ts'
import type { PortOptions } from '../transport/port-options.ts'
import { punchTransportOf } from './observed-addresses.ts'
import { maxPunchAddresses } from './punch.ts'

/**
 * Milliseconds for the dial of a peer's own addresses, before a hole is punched. libp2p gives it as long as an attempt
 * to punch, 5 s: behind a router that drops the packets, the pair would wait as long for nothing.
 */
const firstDialMs = 1_000

type OpenConnection = DCUtRServiceComponents['connectionManager']['openConnection']

export type FirstDialOptions = Required<Pick<PortOptions, 'fromAnyPort'>> & { signal: AbortSignal }

/**
 * Dials a peer that may need no punching. An address that takes longer is dialled again while a hole is punched, if it is
 * one of TCP or QUIC: a peer that has no such address has all the time.
 *
 * The dials leave from any port. A packet that is dropped on the way leaves an entry in this end's router, for two
 * minutes on Linux. From the listening port that entry would be of the hole that is punched next: the router would take
 * this end's answer to the peer's SYN for one that does not belong to it, and drop it.
 */
export function createFirstDial(components: {
  /** An ordinary dial of libp2p. */
  open: OpenConnection
  dial(address: Multiaddr, options: FirstDialOptions): Promise<Connection>
  gater: Pick<ConnectionGater, 'denyDialPeer'>
}): (peer: Connection['remotePeer'], addresses: Multiaddr[], options: Parameters<OpenConnection>[1]) => Promise<Connection> {
  const { open, dial, gater } = components

  return async function dialFirst(peer, addresses, options = {}) {
    if (!addresses.some((address) => punchTransportOf(address) !== undefined)) return await open(addresses, options)
    if ((await gater.denyDialPeer?.(peer)) === true) throw new Error('this node does not dial the peer')
    const reached = new AbortController()
    using deadline = createDeadline(firstDialMs, [reached.signal, ...(options.signal === undefined ? [] : [options.signal])])
    try {
      const { signal } = deadline
      const dials = addresses.slice(0, maxPunchAddresses).map(async (address) => await dial(address, { signal, fromAnyPort: true }))
      return await Promise.any(dials)
    } finally {
      reached.abort(new Error('the peer was reached at another address'))
    }
  }
}
