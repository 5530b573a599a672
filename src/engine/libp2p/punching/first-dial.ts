import type { DCUtRServiceComponents } from '@libp2p/dcutr'
import type { Connection, ConnectionGater } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { createDeadline } from '../../../lib/deadline.ts'
import { type Allowance, dialWithin, quicDialBytes, tcpDialBytes } from '../../reach/allowance.ts'
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
 *
 * Each is taken from the allowance of the peer. One over QUIC costs as much as many over TCP, since the library goes on
 * with it when it is given up: it is made only of peers that have no other address.
 */
export function createFirstDial(components: {
  /** An ordinary dial of libp2p. */
  open: OpenConnection
  dial(address: Multiaddr, options: FirstDialOptions): Promise<Connection>
  allowanceOf(relayed: Connection): Allowance
  gater: Pick<ConnectionGater, 'denyDialPeer'>
}): (relayed: Connection, addresses: Multiaddr[], options: Parameters<OpenConnection>[1]) => Promise<Connection> {
  const { open, dial, allowanceOf, gater } = components

  return async function dialFirst(relayed, addresses, options = {}) {
    const allowance = allowanceOf(relayed)
    const ofTcp = addresses.filter((address) => punchTransportOf(address) !== 'udp')
    const [chosen, bytes] = ofTcp.length > 0 ? [ofTcp, tcpDialBytes] : [addresses, quicDialBytes]
    const some = chosen.slice(0, maxPunchAddresses)
    if (!addresses.some((address) => punchTransportOf(address) !== undefined))
      return await dialWithin(allowance, some.length * bytes, () => open(some, options))
    if ((await gater.denyDialPeer?.(relayed.remotePeer)) === true) throw new Error('this node does not dial the peer')
    const reached = new AbortController()
    using deadline = createDeadline(firstDialMs, [reached.signal, ...(options.signal === undefined ? [] : [options.signal])])
    try {
      const { signal } = deadline
      const dials = some.map((address) => dialWithin(allowance, bytes, () => dial(address, { signal, fromAnyPort: true })))
      return await Promise.any(dials)
    } finally {
      reached.abort(new Error('the peer was reached at another address'))
    }
  }
}
