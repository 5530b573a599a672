import { type QuicComponents, quic } from '@chainsafe/libp2p-quic'
import type { StreamMuxerFactory, Transport, Upgrader } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Limits } from '../../../limits.ts'
import { endpointOf } from '../../dial/endpoint.ts'
import { atIp, type DialGate } from '../../dial/gate.ts'
import { boundMuxer, type MuxerComponents, type StreamLimits } from './bounded-muxer.ts'

export type QuicLimits = StreamLimits & Pick<Limits, 'dialTimeoutMs' | 'maxStreamsPerConnection'>

/** Milliseconds of silence after which a QUIC connection is dead, and between keep-alives. */
const maxIdleMs = 15_000
const keepAliveMs = 5_000
/** Number of streams with a full buffer per connection; beyond it, the peer has to wait for all of them. */
const fullStreams = 15

/** libp2p over QUIC, with dials through the gate and streams bounded like those of the other transports. */
export function quicTransport(
  { limits }: { limits: QuicLimits },
  { gate, ...muxerComponents }: { gate: DialGate } & MuxerComponents,
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
    transport.dial = (address, options) => {
      const bounded = { ...options, upgrader: boundStreams(options.upgrader, limits, muxerComponents) }
      return gate.dial(address, options.signal, (target) => dial.call(transport, atIp(target), bounded))
    }
    transport.createListener = (options) =>
      createListener.call(transport, { ...options, upgrader: boundStreams(options.upgrader, limits, muxerComponents) })
    transport.dialFilter = ofQuic
    transport.listenFilter = ofQuic
    return transport
  }
}

/** Wraps an upgrader to bound QUIC's built-in muxer. */
function boundStreams(upgrader: Upgrader, limits: QuicLimits, components: MuxerComponents): Upgrader {
  return new Proxy(upgrader, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      if (name !== 'upgradeInbound' && name !== 'upgradeOutbound') return value.bind(target)
      return (connection: unknown, options: { muxerFactory: StreamMuxerFactory }) =>
        value.call(target, connection, { ...options, muxerFactory: boundMuxer(options.muxerFactory, limits, components) })
    },
  })
}
