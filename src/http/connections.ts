import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Logger } from 'pino'
import { isLoopbackAddress, networkOf } from '../access/client-key.ts'
import { createFlooders } from '../lib/flooders.ts'

/**
 * Bounds the HTTP connections, streams included, in all and per address. When the maximum is reached, the connection
 * that has been idle longest (without an unanswered request) is closed; if none is idle, the new one is refused.
 */
export interface HttpConnections {
  /** Starts counting the connections of a server. */
  watch(server: Server): void
  readonly open: number
}

export interface HttpConnectionsInit {
  max: number
  /** The addresses of an IPv6 /64 count as one. */
  maxPerAddress: number
  /** Additional connections for this host, beyond `max`. */
  maxLoopback: number
  /** Proxy addresses, which are bound by `max` alone, like those of this host. */
  isTrusted?: (address: string) => boolean
}

/** Maximum unanswered requests of one connection. A client that pipelines more is disconnected (`Flooders`). */
const maxUnanswered = 100
/** Milliseconds between two log lines about refused connections. */
const reportMs = 60_000

interface Connection {
  socket: Socket
  holder: Holder
  unanswered: number
}

/** An address with open connections. */
interface Holder {
  key: string
  open: number
  /** Idle connections, the longest idle first. */
  idle: Set<Connection>
}

export function createHttpConnections(init: HttpConnectionsInit, components: { logger: Logger; now?: () => number }): HttpConnections {
  const { max, maxPerAddress, maxLoopback, isTrusted = () => false } = init
  const { logger } = components
  const connections = new WeakMap<Socket, Connection>()
  const holders = new Map<string, Holder>()
  const idle = new Set<Connection>()
  const flooders = createFlooders(components)
  let open = 0
  let reportedAt = Number.NEGATIVE_INFINITY

  function holderOf(address: string): Holder {
    const key = networkOf(address)
    return holders.get(key) ?? { key, open: 0, idle: new Set() }
  }

  function rest(connection: Connection): void {
    idle.add(connection)
    connection.holder.idle.add(connection)
  }

  function wake(connection: Connection): void {
    idle.delete(connection)
    connection.holder.idle.delete(connection)
  }

  function remove(connection: Connection): void {
    const { socket, holder } = connection
    if (!connections.delete(socket)) return
    wake(connection)
    open--
    holder.open--
    if (holder.open === 0) holders.delete(holder.key)
  }

  /** Closes the longest idle connection. Returns false if none is idle. */
  function giveUpOne(of: ReadonlySet<Connection>): boolean {
    const [longest] = of
    if (longest === undefined) return false
    longest.socket.destroy()
    remove(longest)
    return true
  }

  function admits(address: string, holder: Holder): boolean {
    const isLocal = isLoopbackAddress(address)
    if (flooders.has(address)) return false
    if (!isLocal && !isTrusted(address) && holder.open >= maxPerAddress && !giveUpOne(holder.idle)) return false
    return open < (isLocal ? max + maxLoopback : max) || giveUpOne(idle)
  }

  function refuse(socket: Socket, address: string): void {
    socket.destroy()
    const now = performance.now()
    if (now - reportedAt < reportMs) return
    reportedAt = now
    logger.warn({ open, address }, 'connection refused: the limit is reached, and no connection is idle')
  }

  function add(socket: Socket): void {
    const address = socket.remoteAddress
    if (address === undefined) {
      // It was reset before it was taken up. What it has sent would count to nobody.
      socket.destroy()
      return
    }
    if (!admits(address, holderOf(address))) {
      refuse(socket, address)
      return
    }
    const holder = holderOf(address)
    const connection: Connection = { socket, holder, unanswered: 0 }
    holders.set(holder.key, holder)
    connections.set(socket, connection)
    holder.open++
    open++
    rest(connection)
    socket.once('close', () => remove(connection))
  }

  function begin(connection: Connection): void {
    connection.unanswered++
    wake(connection)
  }

  function serve({ socket }: IncomingMessage, response: ServerResponse): void {
    const connection = connections.get(socket)
    if (connection === undefined) return
    begin(connection)
    if (connection.unanswered > maxUnanswered && !socket.destroyed) {
      const { remoteAddress = '' } = socket
      // Behind a proxy are other clients, and on this host other programs.
      if (!isLoopbackAddress(remoteAddress) && !isTrusted(remoteAddress)) flooders.add(remoteAddress)
      socket.destroy()
    }
    response.once('close', () => {
      connection.unanswered--
      if (connection.unanswered === 0 && connections.has(socket)) rest(connection)
    })
  }

  return {
    watch(server) {
      server.on('connection', add)
      server.on('request', serve)
      // An upgraded connection is busy until it ends.
      server.on('upgrade', ({ socket }) => {
        const connection = connections.get(socket)
        if (connection !== undefined) begin(connection)
      })
    },
    get open() {
      return open
    },
  }
}
