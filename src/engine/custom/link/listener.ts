import { createServer, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { Socket } from 'node:net'
import { networkInterfaces } from 'node:os'
import type { Multiaddr } from '@multiformats/multiaddr'
import { type WebSocket, WebSocketServer } from 'ws'
import { adoptSocketsOf } from '../../../lib/adopt-socket.ts'
import { createFlooders } from '../../../lib/flooders.ts'
import { ipNetwork, plainAddress } from '../../../lib/ip-network.ts'
import { refuseRequests } from '../../../lib/refuse-requests.ts'
import { adoptWebSocketsOf, webSocketBounds } from '../../../lib/web-socket-bounds.ts'
import { endpointOf } from '../../dial/endpoint.ts'
import { enterSocket, type HalfOpen } from '../../half-open.ts'
import { maxRecordFragments, subprotocol } from './establish.ts'
import type { RecordSocket } from './record-socket.ts'
import { maxSocketMessageBytes } from './secure-channel.ts'

/** Accepts WebSockets of peers. Bounds unauthenticated sockets: their places, new ones per address, time and bytes. */
export interface Listener {
  /** @throws Error when the address can't be listened on */
  start(): Promise<void>
  stop(): Promise<void>
  /** The listening addresses, without peer id; empty while stopped. */
  multiaddrs(): string[]
}

export interface ListenerInit {
  address: Multiaddr
  /** Certificate chain and key (PEM), for an address with TLS. */
  tls?: { cert: Buffer; key: Buffer } | undefined
  /** Open sockets, in whatever state. */
  maxSockets: number
  maxSocketsPerAddressAndSecond: number
  /** Milliseconds after which a socket that is not a link is cut. */
  handshakeTimeoutMs: number
}

/** An open inbound socket and its origin. */
export interface Incoming {
  socket: RecordSocket
  /** The remote end, as multiaddr. */
  remote: string
  /** The IP address of the remote end; undefined through a relay. */
  seenAt: string | undefined
  /** The remote end, as `<ip>:<port>`. */
  observed: string
}

export interface ListenerComponents {
  halfOpen: HalfOpen
  /** @param place of the half-open connection; given back at the end of the socket at the latest */
  onSocket(incoming: Incoming, place: Disposable): void
}

export function createListener(init: ListenerInit, components: ListenerComponents): Listener {
  const { address, tls, maxSockets, maxSocketsPerAddressAndSecond, handshakeTimeoutMs } = init
  const endpoint = endpointOf(address)
  const [host] = address.getComponents()
  const form = endpoint?.form === 'wss' ? 'wss' : 'ws'
  const timeouts = { headersTimeout: handshakeTimeoutMs, requestTimeout: handshakeTimeoutMs, connectionsCheckingInterval: 1_000 }
  const flooders = createFlooders()
  const refuse = refuseRequests({ text: 'This port serves peers only.\n', onMore: flooders.add })
  let server: Server | undefined
  let sockets: WebSocketServer | undefined
  /** New sockets in the current second, by address (IPv6: /64). */
  let recent = new Map<string, number>()
  let second = 0
  /** The places of sockets by their remote end: a WebSocket over TLS is on another socket than the one that came. */
  const places = new Map<string, Disposable>()

  function admits(remoteAddress: string): boolean {
    const now = Math.floor(performance.now() / 1_000)
    if (now !== second) {
      second = now
      recent = new Map()
    }
    const network = ipNetwork(plainAddress(remoteAddress))
    const count = (recent.get(network) ?? 0) + 1
    recent.set(network, count)
    return count <= maxSocketsPerAddressAndSecond
  }

  /** Takes a place for a new socket; without one it ends. */
  function enter(socket: Socket): void {
    const { remoteAddress = '' } = socket
    if (flooders.has(remoteAddress) || !admits(remoteAddress)) {
      socket.destroy()
      return
    }
    const place = enterSocket(components.halfOpen, socket)
    if (place === undefined) return
    const end = endOf(socket)
    places.set(end, place)
    socket.once('close', () => void places.delete(end))
  }

  function accept(socket: WebSocket, wire: Socket): void {
    const { remoteAddress, remotePort } = wire
    const place = places.get(endOf(wire))
    if (remoteAddress === undefined || remotePort === undefined || place === undefined) {
      socket.terminate()
      return
    }
    const ip = remoteAddress.replace(/^::ffff:(?=\d+\.)/, '')
    const [family, observed] = ip.includes(':') ? ['ip6', `[${ip}]:${remotePort}`] : ['ip4', `${ip}:${remotePort}`]
    const remote = `/${family}/${ip}/tcp/${remotePort}/${form}`
    components.onSocket({ socket, remote, seenAt: ip, observed }, place)
  }

  return {
    async start() {
      const starting =
        form === 'ws'
          ? createServer(timeouts, refuse)
          : createTlsServer({ ...timeouts, ...tls, handshakeTimeout: handshakeTimeoutMs }, refuse)
      adoptSocketsOf(starting)
      starting.maxConnections = maxSockets
      starting.on('connection', enter)
      sockets = new WebSocketServer({
        server: starting,
        ...webSocketBounds,
        maxFragments: maxRecordFragments,
        maxPayload: maxSocketMessageBytes,
        handleProtocols: (offered) => (offered.has(subprotocol) ? subprotocol : false),
      })
      adoptWebSocketsOf(sockets).on('connection', (socket, { socket: wire }) => {
        if (socket.protocol === subprotocol) accept(socket, wire)
        else socket.close(1002, `offer the subprotocol ${subprotocol}`)
      })
      const listening = Promise.withResolvers<void>()
      sockets.on('error', listening.reject)
      starting.listen({ host: host?.value ?? '', port: endpoint?.port ?? 0, ipv6Only: host?.name === 'ip6' }, listening.resolve)
      await listening.promise
      server = starting
    },
    async stop() {
      const [stopping, open] = [server, sockets]
      server = undefined
      if (stopping === undefined) return
      const closed = Promise.withResolvers<void>()
      stopping.close(() => closed.resolve())
      for (const socket of open?.clients ?? []) socket.terminate()
      stopping.closeAllConnections()
      await closed.promise
    },
    multiaddrs() {
      const bound = server?.address()
      if (bound === undefined || bound === null || typeof bound === 'string') return []
      return hostAddresses(host?.value ?? '').map((ip) => `/${ip.includes(':') ? 'ip6' : 'ip4'}/${ip}/tcp/${bound.port}/${form}`)
    },
  }
}

function endOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`
}

/** The addresses of this host that a listening address covers. */
function hostAddresses(listened: string): string[] {
  if (listened !== '0.0.0.0' && listened !== '::') return [listened]
  const family = listened === '::' ? 'IPv6' : 'IPv4'
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
  return all.filter((own) => own.family === family && (own.scopeid ?? 0) === 0).map(({ address }) => address)
}
