import { AsyncLocalStorage } from 'node:async_hooks'
import {
  type CircuitRelayServerComponents,
  type CircuitRelayService,
  circuitRelayServer,
  RELAY_V2_HOP_CODEC,
  RELAY_V2_STOP_CODEC,
} from '@libp2p/circuit-relay-v2'
import { type Connection, type ConnectionGater, type PeerId, type Startable, type Stream, start, stop } from '@libp2p/interface'
import { type CarriedCircuit, circuitRefusal, crowdRefusal, holderOf } from '../../crowds.ts'
import type { LimitsReached } from '../../limits-reached.ts'
import { createPassedOn, type PassingWay } from '../../passed-on.ts'
import type { ReachCounter } from '../../reach/reach-counts.ts'
import { type CircuitBounds, createRelayBounds, type RelayLimits } from '../../relay-bounds.ts'
import { seenAtOf } from '../teller-of.ts'
import { holdBack } from './circuit-streams.ts'
import { muxerFrames, openingUnits } from './muxer-frames.ts'
import { boundRequest } from './relay-requests.ts'
import { limitFields, stateLimits } from './stated-limits.ts'

/**
 * A circuit relay (https://github.com/libp2p/specs/blob/master/relay/circuit-v2.md). libp2p's own limits are per
 * connection, or first come, first served. Here addresses share the reservations, the circuits and the rate.
 */
export interface RelayServer {
  /** Creates the relay service of a node. */
  service(components: CircuitRelayServerComponents): Startable
  /**
   * Turns relaying on or off. Peers see a relay from the first time that it is on; while it is off again, it
   * refuses reservations.
   */
  switchTo(isOn: boolean): Promise<void>
  /** Whether it relays. */
  readonly isOn: boolean
  /** The last link to a peer has ended: its reservation is removed, since no circuit can reach it. */
  gone(peerId: PeerId): void
  /** The node's gater for reservations and circuits. */
  readonly gater: Pick<ConnectionGater, 'denyInboundRelayReservation' | 'denyOutboundRelayedConnection'>
}

type Registrar = CircuitRelayServerComponents['registrar']
type ConnectionManager = CircuitRelayServerComponents['connectionManager']

/** A peer's request to the relay, whose stream then carries the circuit. */
interface Hop {
  stream: Stream
  connection: Connection
  /** Set once the circuit is admitted. */
  counted?: CircuitBounds
  /** Set once the streams of the circuit hold each other back. */
  isCarried?: boolean
}

/** What a circuit costs its target in any case: the stream, and three messages and the end on it. */
const offerUnits = openingUnits + 4

export function createRelayServer(
  init: { limits: RelayLimits; isOn: boolean },
  components: {
    /** Whether the operator configured the peer, which then needs no share. */
    isConfigured(peerId: string): boolean
    reached: LimitsReached
    counter: ReachCounter
  },
): RelayServer {
  const { limits } = init
  const { isConfigured, reached, counter } = components
  const hops = new AsyncLocalStorage<Hop>()
  const circuits = new Set<CarriedCircuit>()
  const bounds = createRelayBounds({ limits }, { counter })
  const passedOn = createPassedOn({ budget: muxerFrames }, { now: () => performance.now() })
  let service: CircuitRelayService | undefined
  let { isOn } = init

  /** Gives the gater, which receives only peer ids, access to the request in question. */
  function watchingHops(registrar: Registrar): Registrar {
    const handle: Registrar['handle'] = async (protocol, handler, options) => {
      if (protocol !== RELAY_V2_HOP_CODEC) return await registrar.handle(protocol, handler, options)
      const onHop: typeof handler = (stream, connection) => {
        stateLimits(stream, limitFields.hop, limits)
        const hop: Hop = { stream, connection }
        boundRequest(stream, { isCarried: () => hop.isCarried === true })
        return hops.run(hop, () => handler(stream, connection))
      }
      await registrar.handle(protocol, onHop, options)
    }
    return Object.assign(Object.create(registrar), { handle })
  }

  /** Makes the streams to circuit targets, which use direct links only, state the limits, and bounds the circuits. */
  function boundingCircuits(connectionManager: ConnectionManager): ConnectionManager {
    const getConnections: ConnectionManager['getConnections'] = (peerId) =>
      connectionManager
        .getConnections(peerId)
        .filter(({ direct }) => direct)
        .map((connection) => Object.assign(Object.create(connection), { newStream: newStreamTo(connection) }))
    return Object.assign(Object.create(connectionManager), { getConnections })
  }

  function newStreamTo(connection: Connection): Connection['newStream'] {
    return async (protocol, options) => {
      const hop = hops.getStore()
      const stream = await connection.newStream(protocol, options)
      if (protocol !== RELAY_V2_STOP_CODEC || hop?.counted === undefined) return stream
      stateLimits(stream, limitFields.stop, limits)
      holdBack({ opener: hop.stream, target: stream }, hop.counted, {
        there: wayBetween(hop.connection, connection),
        back: wayBetween(connection, hop.connection),
      })
      hop.isCarried = true
      return stream
    }
  }

  function wayBetween(from: Connection, to: Connection): PassingWay {
    const holder = holderOf({ peerId: from.remotePeer.toString(), seenAt: seenAtOf(from.remoteAddr) })
    return passedOn.way(holder, to.remotePeer.toString())
  }

  /** A circuit holds its place as long as its request lasts. */
  function begin(circuit: CarriedCircuit, hop: Hop): void {
    const counted = bounds.begin(circuit, (reason) => hop.stream.abort(new Error(reason)))
    hop.counted = counted
    circuits.add(circuit)
    const end = () => {
      counted[Symbol.dispose]()
      circuits.delete(circuit)
    }
    hop.stream.addEventListener('close', end, { once: true })
  }

  function isReserved(peerId: string): boolean {
    return [...(service?.reservations.keys() ?? [])].some((each) => each.toString() === peerId)
  }

  return {
    service({ addressManager, peerId, privateKey, connectionManager, connectionGater, peerStore, logger, registrar }) {
      service = circuitRelayServer({
        reservations: {
          maxReservations: limits.maxRelayReservations,
          // Limits are stated and enforced in this file.
          applyDefaultLimit: false,
        },
        maxInboundHopStreams: limits.maxRelayStreams,
        maxOutboundHopStreams: limits.maxRelayStreams,
        maxOutboundStopStreams: limits.maxRelayStreams,
      })({
        addressManager,
        peerId,
        privateKey,
        connectionManager: boundingCircuits(connectionManager),
        connectionGater,
        peerStore,
        logger,
        registrar: watchingHops(registrar),
      })
      const made = service
      isOn = init.isOn
      return {
        async start() {
          if (isOn) await start(made)
        },
        stop: () => stop(made),
      }
    },
    async switchTo(wanted) {
      const isFirst = wanted && !isOn && service !== undefined
      isOn = wanted
      // Starting it twice is one start.
      if (isFirst) await start(service)
    },
    get isOn() {
      return isOn
    },
    gone: (peerId) => void service?.reservations.delete(peerId),
    gater: {
      denyInboundRelayReservation(source) {
        if (!isOn) return true
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
        const isFull = circuitRefusal(circuit, circuits, { max: limits.maxRelayStreams }) !== undefined
        const holder = holderOf({ peerId: circuit.opener, seenAt: circuit.seenAt })
        if (isFull || !passedOn.offer(holder, circuit.target, offerUnits)) {
          reached.note('relay_circuit')
          return true
        }
        begin(circuit, hop)
        return false
      },
    },
  }
}
