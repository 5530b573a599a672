import type { Connection, MultiaddrConnection, Transport, Upgrader } from '@libp2p/interface'
import { type TCPComponents, type TCPDialOptions, type TCPOptions, tcp } from '@libp2p/tcp'
import type { Multiaddr } from '@multiformats/multiaddr'
import { connectMsOf } from '../../dial/connect-time.ts'
import { endpointOf, withoutPeerId } from '../../dial/endpoint.ts'
import { atIp, type DialGate, type DialTarget } from '../../dial/gate.ts'
import { createArrivingSockets } from './arriving-sockets.ts'
import { isPortTaken, mayHaveCrossed, type OwnPort } from './own-port.ts'
import { abortingUntilConnected, type PortOptions } from './port-options.ts'

/** Sockets of one hole that a responder makes, each after the initiator has ended the one before, and that an initiator takes. */
const maxAnswers = 4

export interface TcpTransportComponents {
  gate: DialGate
  /** Undefined: dials leave from any port. */
  ownPort?: OwnPort | undefined
  /**
   * Whether ordinary dials, too, leave from the listening port. A node that can be dialled does not need this, and there
   * the dials of two such nodes to each other could become one connection.
   */
  needsHoles?(): boolean
  /** A connection was dialled from the listening port. */
  onFromOwnPort?(connection: Connection): void
}

/** libp2p over TCP, with dials through the gate, and without the Unix sockets that libp2p's own would dial. */
export function tcpTransport(
  init: TCPOptions,
  { gate, ownPort, needsHoles = () => false, onFromOwnPort }: TcpTransportComponents,
): (components: TCPComponents) => Transport {
  return (components) => {
    const transport = tcp(init)(components)
    const { dial, createListener } = transport
    const arriving = createArrivingSockets()
    const ofTcp = (addresses: Multiaddr[]) => addresses.filter((address) => endpointOf(address)?.form === 'tcp')

    /**
     * The peer's dial may arrive before this one, and takes the place between the two ports. One whose handshake was begun
     * as that of an inbound connection is ended; the peer dials again, and what comes then is used as if it was dialled.
     */
    async function connect(target: DialTarget, options: TCPDialOptions & PortOptions): Promise<Connection> {
      if (options.initiator === false) return await answer(target, options)
      if (options.initiator === undefined) return await connectOnce(target, options)
      const peer = withoutPeerId(target.address)
      using taken = arriving.take(peer)
      await arriving.end(peer)
      for (let uses = 0; ; ) {
        try {
          return await connectOnce(target, options)
        } catch (error) {
          if (!isPortTaken(error) || uses++ === maxAnswers) throw error
          try {
            return await taken.use(options.signal, (socket) => upgrade(socket, target, options))
          } catch (failure) {
            if (options.signal.aborted) throw error
            if (!mayHaveCrossed(failure)) throw failure
          }
        }
      }
    }

    /** Makes a connection that this end has dialled of a socket that it has accepted. */
    async function upgrade(socket: MultiaddrConnection, target: DialTarget, options: TCPDialOptions & PortOptions): Promise<Connection> {
      const dialled: MultiaddrConnection = Object.assign(socket, { direction: 'outbound', remoteAddr: atIp(target) })
      const connection = await options.upgrader.upgradeOutbound(dialled, options)
      onFromOwnPort?.(connection)
      return connection
    }

    /**
     * The responder's part of it: when the initiator has ended the socket, its own dial is on the way. A router of this end
     * takes that for a part of the ended connection, and drops it, until this end dials again.
     */
    async function answer(target: DialTarget, options: TCPDialOptions & PortOptions): Promise<Connection> {
      for (let answers = 1; ; answers++) {
        try {
          return await connectOnce(target, options)
        } catch (error) {
          if (!mayHaveCrossed(error) || answers === maxAnswers || options.signal.aborted) throw error
        }
      }
    }

    /** A dial that punches a hole is of no use from another port; others are made from any. */
    async function connectOnce(target: DialTarget, options: TCPDialOptions & PortOptions): Promise<Connection> {
      const isPunch = options.initiator !== undefined
      const isFromOwnPort = isPunch || (options.fromAnyPort !== true && needsHoles())
      const handle = isFromOwnPort ? ownPort?.bind(target.ip) : undefined
      if (handle === undefined && isPunch) throw new Error('the listening port is not shared with dials')
      const bounded = () => abortingUntilConnected(options, isPunch ? undefined : connectMsOf(target.ip))
      if (handle === undefined) return await dial.call(transport, atIp(target), bounded())
      try {
        // A socket that is given a handle reads at once, unless it is to be started by hand.
        const bound = { ...bounded(), handle, manualStart: true }
        // The system may have connected it already. Closed with FIN, it would keep the next dial between the two ports
        // from being made for a minute (TIME-WAIT, RFC 9293).
        bound.signal.addEventListener('abort', () => void handle.reset(), { once: true })
        const connection = await dial.call(transport, atIp(target), bound)
        onFromOwnPort?.(connection)
        return connection
      } catch (error) {
        if (isPunch || !(isPortTaken(error) || mayHaveCrossed(error))) throw error
        options.signal.throwIfAborted()
        return await dial.call(transport, atIp(target), bounded())
      }
    }

    function noting(upgrader: Upgrader): Upgrader {
      const upgradeInbound: Upgrader['upgradeInbound'] = async (socket, upgrading) =>
        await arriving.during(socket, async () => await upgrader.upgradeInbound(socket, upgrading))
      return Object.assign(Object.create(upgrader), { upgradeInbound })
    }

    transport.dial = (address, options: TCPDialOptions & PortOptions) =>
      gate.dial(address, options.signal, (target) => connect(target, options), { isMutual: options.initiator !== undefined })
    transport.createListener = (options) => {
      if (ownPort === undefined) return createListener.call(transport, options)
      const listener = createListener.call(transport, Object.assign({ reusePort: true }, options, { upgrader: noting(options.upgrader) }))
      ownPort.share(listener)
      return listener
    }
    transport.dialFilter = ofTcp
    transport.listenFilter = ofTcp
    return transport
  }
}
