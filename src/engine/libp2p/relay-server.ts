import { AsyncLocalStorage } from 'node:async_hooks'
import {
  type CircuitRelayServerComponents,
  type CircuitRelayService,
  circuitRelayServer,
  RELAY_V2_HOP_CODEC,
} from '@libp2p/circuit-relay-v2'
import type { Connection, ConnectionGater, PeerId, Stream } from '@libp2p/interface'
import type { Limits } from '../../limits.ts'
import { type CarriedCircuit, circuitRefusal, crowdRefusal, holderOf } from '../crowds.ts'
import type { LimitsReached } from '../limits-reached.ts'
import { seenAtOf } from './teller-of.ts'

/**
 * A circuit relay (https://github.com/libp2p/specs/blob/master/relay/circuit-v2.md), whose own limits are per connection or first come,
 * first served: which peers are reached through this node, and which circuits it carries, is shared by address here.
 */
export interface RelayServer {
  /** Makes the service of a node. */
  service(components: CircuitRelayServerComponents): CircuitRelayService
  /** What the node's gater says of reservations and circuits. */
  /** A peer has no link any more: nobody can reach it through this node, so its reservation is over. */
  gone(peerId: PeerId): void
  readonly gater: Pick<ConnectionGater, 'denyInboundRelayReservation' | 'denyOutboundRelayedConnection'>
}

export type RelayLimits = Pick<Limits, 'maxRelayReservations' | 'maxRelayStreams' | 'maxRelayBytes' | 'relayMs'>

type Registrar = CircuitRelayServerComponents['registrar']

/** A peer's request to the relay, which its circuit then runs through. */
interface Hop {
  stream: Stream
  connection: Connection
}

export function createRelayServer(
  init: { limits: RelayLimits },
  components: {
    /** Whether the operator has named the peer, who then has no share but what is left. */
    isConfigured(peerId: string): boolean
    reached: LimitsReached
  },
): RelayServer {
  const { limits } = init
  const { isConfigured, reached } = components
  const hops = new AsyncLocalStorage<Hop>()
  const circuits = new Set<CarriedCircuit>()
  let service: CircuitRelayService | undefined

  /** Has the gater, which is told of peers alone, know the request that it is asked about. */
  function watchingHops(registrar: Registrar): Registrar {
    const handle: Registrar['handle'] = async (protocol, handler, options) => {
      if (protocol !== RELAY_V2_HOP_CODEC) return await registrar.handle(protocol, handler, options)
      await registrar.handle(protocol, (stream, connection) => hops.run({ stream, connection }, () => handler(stream, connection)), options)
    }
    return Object.assign(Object.create(registrar), { handle })
  }

  function isReserved(peerId: string): boolean {
    return [...(service?.reservations.keys() ?? [])].some((each) => each.toString() === peerId)
  }

  return {
    service({ addressManager, peerId, privateKey, connectionManager, connectionGater, peerStore, logger, registrar }) {
      service = circuitRelayServer({
        reservations: {
          maxReservations: limits.maxRelayReservations,
          defaultDurationLimit: limits.relayMs,
          defaultDataLimit: BigInt(limits.maxRelayBytes),
        },
        maxInboundHopStreams: limits.maxRelayStreams,
        maxOutboundHopStreams: limits.maxRelayStreams,
        maxOutboundStopStreams: limits.maxRelayStreams,
      })({ addressManager, peerId, privateKey, connectionManager, connectionGater, peerStore, logger, registrar: watchingHops(registrar) })
      return service
    },
    gone: (peerId) => void service?.reservations.delete(peerId),
    gater: {
      denyInboundRelayReservation(source) {
        const peerId = source.toString()
        if (isReserved(peerId) || isConfigured(peerId)) return false
        const held = [...(service?.reservations ?? [])].map(([each, { addr }]) =>
          holderOf({ peerId: each.toString(), seenAt: seenAtOf(addr) }),
        )
        const connection = hops.getStore()?.connection
        const holder = holderOf({ peerId, seenAt: connection && seenAtOf(connection.remoteAddr) })
        if (crowdRefusal(holder, held, { max: limits.maxRelayReservations }) === undefined) return false
        reached.note('relay_reservation')
        return true
      },
      denyOutboundRelayedConnection(source, destination) {
        const hop = hops.getStore()
        if (hop === undefined) return true
        const circuit = { opener: source.toString(), seenAt: seenAtOf(hop.connection.remoteAddr), target: destination.toString() }
        if (circuitRefusal(circuit, circuits, { max: limits.maxRelayStreams }) !== undefined) {
          reached.note('relay_circuit')
          return true
        }
        circuits.add(circuit)
        hop.stream.addEventListener('close', () => circuits.delete(circuit), { once: true })
        return false
      },
    },
  }
}
