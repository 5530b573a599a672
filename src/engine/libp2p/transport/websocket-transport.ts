import { type ComponentLogger, type DialTransportOptions, type Transport, transportSymbol } from '@libp2p/interface'
import { endpointOf } from '../../dial/endpoint.ts'
import type { DialGate, DialTarget } from '../../dial/gate.ts'
import { openWebSocket } from '../../dial/open-web-socket.ts'
import type { LimitsReached } from '../../limits-reached.ts'
import { maxSocketMessageBytes, WebSocketConnection } from './websocket-connection.ts'
import { WebSocketListener, type WebSocketListenerInit } from './websocket-listener.ts'

/**
 * libp2p over WebSockets, with or without TLS. libp2p's own transport leaves name resolution to the runtime, which
 * resolves a name again after it was judged. Here the socket goes to the judged address, while TLS and the Host header
 * use the name.
 */
export function webSocketTransport(init: WebSocketListenerInit, { gate, reached }: { gate: DialGate; reached: LimitsReached }) {
  return (components: { logger: ComponentLogger }): Transport => {
    const log = components.logger.forComponent('libp2p:websockets')

    async function connect(target: DialTarget, options: DialTransportOptions) {
      const { socket } = await openWebSocket(target, { maxPayload: maxSocketMessageBytes, signal: options.signal })
      const remoteAddr = target.address
      const connection = new WebSocketConnection({ remoteAddr, direction: 'outbound', log: log.newScope('connection') }, socket)
      try {
        return await options.upgrader.upgradeOutbound(connection, options)
      } catch (error) {
        connection.abort(error instanceof Error ? error : new Error(String(error)))
        throw error
      }
    }

    return {
      [transportSymbol]: true,
      [Symbol.toStringTag]: '@peergate/websockets',
      dial: (address, options) => gate.dial(address, options.signal, (target) => connect(target, options)),
      createListener: ({ upgrader }) => new WebSocketListener(init, { upgrader, reached, log: log.newScope('listener') }),
      listenFilter: (addresses) => addresses.filter((address) => endpointOf(address)?.form === 'ws'),
      dialFilter: (addresses) => addresses.filter((address) => ['ws', 'wss'].includes(endpointOf(address)?.form ?? '')),
    }
  }
}
