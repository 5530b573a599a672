import { type QuicComponents, quic } from '@chainsafe/libp2p-quic'
import type {
  Connection,
  DialTransportOptions,
  MultiaddrConnection,
  StreamMuxerFactory,
  Transport,
  Upgrader,
  UpgraderOptions,
} from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { orAborted } from '../../../lib/deadline.ts'
import type { Limits } from '../../../limits.ts'
import { peerIdOf } from '../../../model/peer.ts'
import { connectMsOf } from '../../dial/connect-time.ts'
import { endpointOf, withoutPeerId, withPeerId } from '../../dial/endpoint.ts'
import { atIp, type DialGate, type DialTarget } from '../../dial/gate.ts'
import { dialWithin, quicDialBytes } from '../../reach/allowance.ts'
import { boundMuxer, type MuxerComponents, type StreamLimits } from './bounded-muxer.ts'
import { abortingUntilConnected, type PortOptions } from './port-options.ts'
import { letInAtOnce } from './quic-handshakes.ts'
import type { OwnFlow, QuicOwnPort } from './quic-own-port.ts'

export type QuicLimits = StreamLimits & Pick<Limits, 'dialTimeoutMs' | 'maxStreamsPerConnection'>

/** Milliseconds of silence after which a QUIC connection is dead, and between keep-alives. */
const maxIdleMs = 15_000
const keepAliveMs = 5_000
/** Number of streams with a full buffer per connection; beyond it, the peer has to wait for all of them. */
const fullStreams = 15

export interface QuicTransportComponents extends MuxerComponents {
  gate: DialGate
  /** Undefined: no holes are punched. */
  ownPort?: QuicOwnPort | undefined
  /** Whether ordinary dials, too, leave from the own port, so that peers tell where they see it. */
  needsHoles?(): boolean
  /** A connection was dialled from the own port. */
  onFromOwnPort?(connection: Connection): void
}

/** libp2p over QUIC, with dials through the gate and streams bounded like those of the other transports. */
export function quicTransport(
  { limits }: { limits: QuicLimits },
  { gate, ownPort, needsHoles = () => false, onFromOwnPort, ...muxerComponents }: QuicTransportComponents,
): (components: QuicComponents) => Transport {
  return (components) => {
    const transport = quic({
      handshakeTimeout: limits.dialTimeoutMs,
      maxIdleTimeout: maxIdleMs,
      keepAliveInterval: keepAliveMs,
      maxConcurrentStreamLimit: limits.maxStreamsPerConnection,
      maxStreamData: limits.maxStreamBufferBytes,
      maxConnectionData: fullStreams * limits.maxStreamBufferBytes,
    })(components)
    const { dial, createListener } = transport
    const ofQuic = (addresses: Multiaddr[]) => addresses.filter((address) => endpointOf(address)?.form === 'quic')

    async function connect(target: DialTarget, options: DialTransportOptions & PortOptions): Promise<Connection> {
      const { initiator, opened, signal, allowance } = options
      const remote = { ip: target.ip, port: endpointOf(target.address)?.port ?? 0 }
      if (initiator === false && opened !== undefined) {
        if (ownPort === undefined) throw new Error('no holes are punched over QUIC')
        return await ownPort.letIn(remote, { opened, signal, allowance })
      }
      const isPunch = initiator === true
      const isFromOwnPort = isPunch || (options.fromAnyPort !== true && needsHoles())
      const flow = isFromOwnPort ? await ownPort?.open(remote, isPunch ? { allowance } : undefined) : undefined
      // The library goes on with a dial that is given up, until its handshake is over.
      const through = abortingUntilConnected(options, isPunch ? undefined : connectMsOf(target.ip, { isQuic: true }))
      const dialDirectly = async () => await orAborted(dial.call(transport, atIp(target), through), through.signal)
      if (flow === undefined) return await (allowance === undefined ? dialDirectly() : dialWithin(allowance, quicDialBytes, dialDirectly))
      try {
        const dialling = { ...through, upgrader: shownAt(withoutPeerId(atIp(target)), through.upgrader, flow) }
        const address = withPeerId(flow.inner, peerIdOf(target.address))
        const connection = await orAborted(dial.call(transport, address, dialling), through.signal)
        onFromOwnPort?.(connection)
        return connection
      } catch (error) {
        if (!options.signal.aborted) flow.failed()
        throw error
      } finally {
        flow.release()
      }
    }

    transport.dial = (address, options: DialTransportOptions & PortOptions) => {
      const bounded = { ...options, upgrader: boundStreams(options.upgrader, limits, muxerComponents) }
      return gate.dial(address, options.signal, (target) => connect(target, bounded), { isMutual: options.initiator !== undefined })
    }
    transport.createListener = (options) => {
      const upgrader = boundStreams(options.upgrader, limits, muxerComponents, (connection) => ownPort?.arrived(connection))
      const listener = createListener.call(transport, { ...options, upgrader })
      letInAtOnce(listener)
      ownPort?.share(listener)
      return listener
    }
    transport.dialFilter = ofQuic
    transport.listenFilter = ofQuic
    return transport
  }
}

/** Upgrades a connection that is shown at the address that was dialled, rather than at the inner end of its flow. */
function shownAt(address: string, upgrader: Upgrader, flow: OwnFlow): Upgrader {
  const upgradeOutbound: Upgrader['upgradeOutbound'] = (connection: MultiaddrConnection, options: UpgraderOptions) => {
    connection.remoteAddr = withPeerId(address, peerIdOf(connection.remoteAddr))
    flow.carries(connection)
    return upgrader.upgradeOutbound(connection, options)
  }
  return Object.assign(Object.create(upgrader), { upgradeOutbound })
}

/** Wraps an upgrader to bound QUIC's built-in muxer. */
function boundStreams(
  upgrader: Upgrader,
  limits: QuicLimits,
  components: MuxerComponents,
  onArrived: (connection: MultiaddrConnection) => void = () => undefined,
): Upgrader {
  return new Proxy(upgrader, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      if (name !== 'upgradeInbound' && name !== 'upgradeOutbound') return value.bind(target)
      return (connection: MultiaddrConnection, options: { muxerFactory: StreamMuxerFactory }) => {
        if (name === 'upgradeInbound') onArrived(connection)
        return value.call(target, connection, { ...options, muxerFactory: boundMuxer(options.muxerFactory, limits, components) })
      }
    },
  })
}
