import { createServer, type IncomingMessage } from 'node:http'
import { type Listener, type ListenerEvents, type Logger, TypedEventEmitter, type Upgrader } from '@libp2p/interface'
import { getThinWaistAddresses, ipPortToMultiaddr } from '@libp2p/utils'
import type { Multiaddr } from '@multiformats/multiaddr'
import { type WebSocket, WebSocketServer } from 'ws'
import { adoptSocketsOf } from '../../../lib/adopt-socket.ts'
import { createFlooders } from '../../../lib/flooders.ts'
import { refuseRequests } from '../../../lib/refuse-requests.ts'
import { adoptWebSocketsOf, webSocketBounds } from '../../../lib/web-socket-bounds.ts'
import { createHalfOpen, enterSocket, type HalfOpenInit } from '../../half-open.ts'
import type { LimitsReached } from '../../limits-reached.ts'
import { maxSocketMessageBytes, WebSocketConnection } from './websocket-connection.ts'

export interface WebSocketListenerInit extends HalfOpenInit {
  /** Maximum concurrent sockets, upgraded or not. */
  maxSockets: number
}

/** Milliseconds for a socket to become a WebSocket. */
const handshakeTimeoutMs = 10_000
const handshakeCheckMs = 1_000

/**
 * Listens for plain WebSockets; a proxy terminates TLS. Sockets, time and bytes are bounded before a peer has
 * authenticated.
 */
export class WebSocketListener extends TypedEventEmitter<ListenerEvents> implements Listener {
  readonly #upgrader: Upgrader
  readonly #log: Logger
  readonly #server
  readonly #sockets: WebSocketServer
  readonly #closing = new AbortController()
  /** The places of sockets that are no WebSockets yet. */
  readonly #places = new WeakMap<object, Disposable>()
  #address: Multiaddr | undefined

  constructor(init: WebSocketListenerInit, components: { upgrader: Upgrader; reached: LimitsReached; log: Logger }) {
    super()
    this.#upgrader = components.upgrader
    this.#log = components.log
    const flooders = createFlooders()
    this.#server = createServer(
      { headersTimeout: handshakeTimeoutMs, requestTimeout: handshakeTimeoutMs, connectionsCheckingInterval: handshakeCheckMs },
      refuseRequests({ text: 'Only WebSocket connections are served here.\n', onMore: flooders.add }),
    )
    const halfOpen = createHalfOpen(init, components)
    adoptSocketsOf(this.#server).on('connection', (socket) => {
      if (flooders.has(socket.remoteAddress ?? '')) {
        socket.destroy()
        return
      }
      const place = enterSocket(halfOpen, socket)
      if (place !== undefined) this.#places.set(socket, place)
    })
    this.#server.maxConnections = init.maxSockets
    this.#sockets = new WebSocketServer({ ...webSocketBounds, server: this.#server, maxPayload: maxSocketMessageBytes })
    adoptWebSocketsOf(this.#sockets).on('connection', (socket, request) => this.#accept(socket, request))
  }

  async listen(address: Multiaddr): Promise<void> {
    const [host, port] = address.getComponents()
    const listening = Promise.withResolvers<void>()
    this.#sockets.once('error', listening.reject)
    this.#server.listen({ host: host?.value ?? '', port: Number(port?.value), ipv6Only: host?.name === 'ip6' }, listening.resolve)
    await listening.promise
    this.#sockets.on('error', (error) => this.#log.error('the listener failed - %e', error))
    this.#address = address
    this.safeDispatchEvent('listening')
  }

  getAddrs(): Multiaddr[] {
    const bound = this.#server.address()
    if (bound === null || typeof bound === 'string') return []
    return getThinWaistAddresses(this.#address, bound.port).map((address) => address.encapsulate('/ws'))
  }

  updateAnnounceAddrs(): void {}

  async close(): Promise<void> {
    this.#closing.abort()
    const closed = Promise.withResolvers<void>()
    this.#server.close(() => closed.resolve())
    for (const socket of this.#sockets.clients) socket.terminate()
    this.#server.closeAllConnections()
    await closed.promise
    this.safeDispatchEvent('close')
  }

  #accept(socket: WebSocket, request: IncomingMessage): void {
    // The gater has another place for it as a connection.
    this.#places.get(request.socket)?.[Symbol.dispose]()
    const { remoteAddress, remotePort } = request.socket
    if (remoteAddress === undefined || remotePort === undefined) {
      socket.terminate()
      return
    }
    const remoteAddr = ipPortToMultiaddr(remoteAddress, remotePort).encapsulate('/ws')
    const connection = new WebSocketConnection({ remoteAddr, direction: 'inbound', log: this.#log.newScope('connection') }, socket)
    this.#upgrader.upgradeInbound(connection, { signal: this.#closing.signal }).catch((error: Error) => {
      this.#log.error('an inbound connection could not be upgraded - %e', error)
      connection.abort(error)
    })
  }
}
