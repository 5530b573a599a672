import type { CircuitRelayTransportComponents } from '@libp2p/circuit-relay-v2'
import type { Connection, ConnectionGater } from '@libp2p/interface'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { createDeadline, orAborted } from '../../../lib/deadline.ts'
import { peerIdOf } from '../../../model/peer.ts'
import type { PunchOutcome, PunchTransport } from '../../../telemetry/network-metrics.ts'
import { withoutPeerId } from '../../dial/endpoint.ts'
import type { DialPolicy } from '../../dial/policy.ts'
import { type Allowance, dialWithin, tcpDialBytes } from '../../reach/allowance.ts'
import { tellerOf } from '../teller-of.ts'
import type { PortOptions } from '../transport/port-options.ts'
import { punchTransportOf } from './observed-addresses.ts'

/** Maximum addresses of a peer that are dialled at once; a message of DCUtR has room for some three hundred. */
export const maxPunchAddresses = 8

/**
 * Milliseconds that dials over TCP are ahead of those over QUIC. Two that succeed would be two connections, and that of
 * QUIC is the slower one here (`../transport/quic-own-port.ts`).
 */
export const tcpAheadMs = 1_000

export interface PunchOptions {
  signal: AbortSignal
  /** Whether this end begins the handshake of a socket that both ends have dialled. */
  initiator: boolean
}

export type PunchDialOptions = PunchOptions & Required<Pick<PortOptions, 'opened' | 'connectedSignal' | 'allowance'>>

/**
 * Dials the addresses that the peer of a relayed connection has named for itself while the peer does the same: all of
 * TCP at once, then, unless one of them was reached, all of QUIC. Each dial passes the gate, where the relay's address is
 * the teller, and accepts only that peer. Addresses that do not answer get no more than the peer's allowance.
 *
 * The dials bypass libp2p's dial queue, which drops `initiator` (`dial` in libp2p/src/connection-manager/dial-queue.ts),
 * so that both ends would begin the handshake.
 */
export function createPunch(components: {
  policy: Pick<DialPolicy, 'told'>
  allowanceOf(relayed: Connection): Allowance
  gater: Pick<ConnectionGater, 'denyDialPeer'>
  dial(address: Multiaddr, options: PunchDialOptions): Promise<Connection>
  connectionsTo(peer: Connection['remotePeer']): Connection[]
  events: Pick<CircuitRelayTransportComponents['events'], 'addEventListener' | 'removeEventListener'>
  /** The dials to a peer have ended: those of the transport that reached it, or each that did not. */
  onEnd(transport: PunchTransport, outcome: PunchOutcome): void
}): (relayed: Connection, addresses: Multiaddr[], options: PunchOptions) => Promise<Connection> {
  const { policy, allowanceOf, gater, dial, connectionsTo, events, onEnd } = components
  /** By peer, ends the dials of the attempt in progress. */
  const inProgress = new Map<string, AbortController>()

  return async function punch(relayed, addresses, { signal, initiator }) {
    const { remotePeer } = relayed
    const peerId = remotePeer.toString()
    const there = connectionsTo(remotePeer).find(({ direct, status }) => direct && status === 'open')
    if (there !== undefined) return there
    if ((await gater.denyDialPeer?.(remotePeer)) === true) throw new Error('this node does not dial the peer')
    const named = namesOf(addresses, peerId)
    policy.told(
      named.map(({ address }) => address),
      tellerOf(relayed),
    )
    const opened = Promise.withResolvers<Connection>()
    const onOpen = ({ detail }: CustomEvent<Connection>) => {
      if (detail.direct && detail.remotePeer.equals(remotePeer)) opened.resolve(detail)
    }
    const onAbort = () => opened.reject(signal.reason)
    events.addEventListener('connection:open', onOpen)
    signal.addEventListener('abort', onAbort)
    if (signal.aborted) onAbort()
    const rest = new AbortController()
    // The peer has begun another attempt: what is left of this node's last one would keep the port between them.
    inProgress.get(peerId)?.abort(new Error('another attempt takes its place'))
    inProgress.set(peerId, rest)
    const whole = createDeadline(maxPunchMs, [signal])
    using either = createDeadline(maxPunchMs, [signal, rest.signal])
    const allowance = allowanceOf(relayed)
    const options = { signal: either.signal, initiator, opened: opened.promise, connectedSignal: whole.signal, allowance }
    const begun: Promise<Connection>[] = []
    function dialAll(wanted: PunchTransport): Promise<Connection>[] {
      const all = named
        .filter(({ transport }) => transport === wanted)
        .map(async ({ address }) => {
          // Packets of QUIC pass through a port of this node's own, which takes what each costs.
          const isCounted = wanted === 'udp'
          return await (isCounted
            ? dial(multiaddr(address), options)
            : dialWithin(allowance, tcpDialBytes, () => dial(multiaddr(address), options)))
        })
      begun.push(...all)
      return all
    }
    const overTcp = dialAll('tcp')

    async function overQuic(): Promise<Connection> {
      // The end that answers opens its router at once: the other one chooses.
      if (initiator && overTcp.length > 0) await endOrDelay(overTcp, either.signal)
      return await Promise.any(dialAll('udp'))
    }

    const dials = [...overTcp, overQuic()]
    void Promise.allSettled(dials)
      .then(() => Promise.allSettled(begun))
      .then(() => whole[Symbol.dispose]())
    try {
      const connection = await Promise.any([opened.promise, ...dials])
      onEnd(punchTransportOf(connection.remoteAddr) ?? 'tcp', 'succeeded')
      return connection
    } catch (error) {
      for (const transport of new Set(named.map((each) => each.transport))) onEnd(transport, 'failed')
      throw error
    } finally {
      rest.abort(new Error('the peer was reached at another address'))
      if (inProgress.get(peerId) === rest) inProgress.delete(peerId)
      events.removeEventListener('connection:open', onOpen)
      signal.removeEventListener('abort', onAbort)
    }
  }
}

/** Milliseconds for the dials; DCUtR gives up earlier. */
const maxPunchMs = 10_000

/** Resolves when all dials have failed, or after the time that they are ahead. */
async function endOrDelay(dials: Promise<Connection>[], signal: AbortSignal): Promise<void> {
  using ahead = createDeadline(tcpAheadMs, [signal])
  await orAborted(Promise.allSettled(dials), ahead.signal).catch(() => undefined)
  signal.throwIfAborted()
}

interface Named {
  address: string
  transport: PunchTransport
}

/**
 * The addresses that can be punched to, each with the id of the peer. An address that names another peer is left out.
 * When there are many, each transport has half of the places.
 */
function namesOf(addresses: Multiaddr[], peerId: string): Named[] {
  const own = addresses.filter((address) => (peerIdOf(address) ?? peerId) === peerId)
  const of = (transport: PunchTransport) => {
    const all = own.filter((address) => punchTransportOf(address) === transport)
    return [...new Set(all.map((address) => `${withoutPeerId(address)}/p2p/${peerId}`))].map((address) => ({ address, transport }))
  }
  const [tcp, udp] = [of('tcp'), of('udp')]
  const room = (others: Named[]) => maxPunchAddresses - Math.min(others.length, maxPunchAddresses / 2)
  return [...tcp.slice(0, room(udp)), ...udp.slice(0, room(tcp))]
}
