import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Logger } from 'pino'
import { isLoopbackAddress, networkOf } from '../access/client-key.ts'

/**
 * The connections of HTTP, streams among them: at most so many in all and from one address. When there is no place, an idle one goes: one
 * that has asked for nothing, or has all its answers, the one first that has been so for longest. Where none is idle, the new one goes.
 */
export interface HttpConnections {
  /** Counts the connections of a server from now on. */
  watch(server: Server): void
  readonly open: number
}

export interface HttpConnectionsInit {
  max: number
  /** Of IPv6 the addresses of a /64 are one. */
  maxPerAddress: number
  /** Kept beside `max` for this host. */
  maxLoopback: number
  /** Addresses that others stand behind: they are held to `max` alone, as those of this host are. */
  isTrusted?: (address: string) => boolean
}

/** Requests of one connection that have come before their answers are out; a client that sends more at once is cut off. */
const maxUnanswered = 100
/** Milliseconds between two lines about refused connections. */
const reportMs = 60_000

interface Connection {
  socket: Socket
  holder: Holder
  unanswered: number
}

/** An address that has connections. */
interface Holder {
  key: string
  open: number
  /** Those that are idle, the longest first. */
  idle: Set<Connection>
}

export function createHttpConnections(init: HttpConnectionsInit, components: { logger: Logger }): HttpConnections {
  const { max, maxPerAddress, maxLoopback, isTrusted = () => false } = init
  const { logger } = components
  const connections = new WeakMap<Socket, Connection>()
  const holders = new Map<string, Holder>()
  const idle = new Set<Connection>()
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

  /** Makes a place by closing one that is idle. Answers whether there was any. */
  function giveUpOne(of: ReadonlySet<Connection>): boolean {
    const [longest] = of
    if (longest === undefined) return false
    longest.socket.destroy()
    remove(longest)
    return true
  }

  function admits(address: string, holder: Holder): boolean {
    const isLocal = isLoopbackAddress(address)
    if (!isLocal && !isTrusted(address) && holder.open >= maxPerAddress && !giveUpOne(holder.idle)) return false
    return open < (isLocal ? max + maxLoopback : max) || giveUpOne(idle)
  }

  function refuse(socket: Socket, address: string): void {
    socket.destroy()
    const now = performance.now()
    if (now - reportedAt < reportMs) return
    reportedAt = now
    logger.warn({ open, address }, 'a connection was refused: there are as many as the limits allow, and none is idle')
  }

  function add(socket: Socket): void {
    // One that has gone again has no address.
    const address = socket.remoteAddress ?? ''
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
    if (connection.unanswered > maxUnanswered) socket.destroy()
    response.once('close', () => {
      connection.unanswered--
      if (connection.unanswered === 0 && connections.has(socket)) rest(connection)
    })
  }

  return {
    watch(server) {
      server.on('connection', add)
      server.on('request', serve)
      // What has been upgraded is busy to its end.
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
