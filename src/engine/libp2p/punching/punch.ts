import type { CircuitRelayTransportComponents } from '@libp2p/circuit-relay-v2'
import type { Connection, ConnectionGater } from '@libp2p/interface'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { createDeadline } from '../../../lib/deadline.ts'
import { peerIdOf } from '../../../model/peer.ts'
import type { PunchOutcome } from '../../../telemetry/network-metrics.ts'
import { withoutPeerId } from '../../dial/endpoint.ts'
import type { DialPolicy } from '../../dial/policy.ts'
import { tellerOf } from '../teller-of.ts'
import { isPublicTcp } from './observed-addresses.ts'

/** Maximum addresses of a peer that are dialled at once; a message of DCUtR has room for some three hundred. */
export const maxPunchAddresses = 8

export interface PunchOptions {
  signal: AbortSignal
  /** Whether this end begins the handshake of a socket that both ends have dialled. */
  initiator: boolean
}

/**
 * Dials the addresses that the peer of a relayed connection has named for itself, all at once, while the peer does the
 * same. Each dial passes the gate, where the relay's address is the teller, and accepts only that peer.
 *
 * The dials bypass libp2p's dial queue, which drops `initiator` (`dial` in libp2p/src/connection-manager/dial-queue.ts),
 * so that both ends would begin the handshake.
 */
export function createPunch(components: {
  policy: Pick<DialPolicy, 'told'>
  gater: Pick<ConnectionGater, 'denyDialPeer'>
  dial(address: Multiaddr, options: PunchOptions): Promise<Connection>
  connectionsTo(peer: Connection['remotePeer']): Connection[]
  events: Pick<CircuitRelayTransportComponents['events'], 'addEventListener' | 'removeEventListener'>
  /** The dials to a peer have ended. */
  onEnd(outcome: PunchOutcome): void
}): (relayed: Connection, addresses: Multiaddr[], options: PunchOptions) => Promise<Connection> {
  const { policy, gater, dial, connectionsTo, events, onEnd } = components

  return async function punch(relayed, addresses, { signal, initiator }) {
    const { remotePeer } = relayed
    const there = connectionsTo(remotePeer).find(({ direct, status }) => direct && status === 'open')
    if (there !== undefined) return there
    if ((await gater.denyDialPeer?.(remotePeer)) === true) throw new Error('this node does not dial the peer')
    const named = namesOf(addresses, remotePeer.toString())
    policy.told(named, tellerOf(relayed))
    const opened = Promise.withResolvers<Connection>()
    const onOpen = ({ detail }: CustomEvent<Connection>) => {
      if (detail.direct && detail.remotePeer.equals(remotePeer)) opened.resolve(detail)
    }
    const onAbort = () => opened.reject(signal.reason)
    events.addEventListener('connection:open', onOpen)
    signal.addEventListener('abort', onAbort)
    if (signal.aborted) onAbort()
    const rest = new AbortController()
    using either = createDeadline(maxPunchMs, [signal, rest.signal])
    try {
      const dials = named.map((address) => dial(multiaddr(address), { signal: either.signal, initiator }))
      const connection = await Promise.any([opened.promise, ...dials])
      onEnd('succeeded')
      return connection
    } catch (error) {
      onEnd('failed')
      throw error
    } finally {
      rest.abort(new Error('the peer was reached at another address'))
      events.removeEventListener('connection:open', onOpen)
      signal.removeEventListener('abort', onAbort)
    }
  }
}

/** Milliseconds for the dials; DCUtR gives up earlier. */
const maxPunchMs = 10_000

/** The addresses that can be punched to, each with the id of the peer. An address that names another peer is left out. */
function namesOf(addresses: Multiaddr[], peerId: string): string[] {
  const own = addresses.filter((address) => isPublicTcp(address) && (peerIdOf(address) ?? peerId) === peerId)
  return [...new Set(own.map((address) => `${withoutPeerId(address)}/p2p/${peerId}`))].slice(0, maxPunchAddresses)
}
