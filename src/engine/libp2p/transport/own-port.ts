import { once } from 'node:events'
import { createServer, isIP, type Server } from 'node:net'
import type { Listener } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { adoptSocketsOf } from '../../../lib/adopt-socket.ts'
import { endpointOf } from '../../dial/endpoint.ts'
import { isLoopbackAddress, isPublicAddress } from '../../dial/policy.ts'

/**
 * Dials peers on the Internet from the TCP port that this node listens on. A router then shows one address of this
 * node to all of them, and packets of a peer that is dialled reach the listening port: without that no hole is punched.
 * With IPv6 routers translate nothing, but let in only what their hosts' packets have asked for.
 * @libp2p/tcp always dials from a port of its own (https://github.com/libp2p/test-plans/pull/864).
 */
export interface OwnPort {
  /** Lets a listener share its port with dials. Another program on the port is still an error (`EADDRINUSE`). */
  share(listener: Listener): void
  /** A socket bound to the listening port, for a dial of this IP address; undefined where a dial needs none. */
  bind(ip: string): BoundHandle | undefined
}

/** The part of Node's TCP handle in use. `net.connect` takes one as the option `handle`. */
export interface BoundHandle {
  bind(address: string, port: number, flags: number): number
  bind6(address: string, port: number, flags: number): number
  close(): void
  /** Closes it with RST, so that the system keeps nothing of its connection. @returns 0, or the number of an error */
  reset(): number
}

type HandleClass = new (type: number) => BoundHandle

/** `TCPConstants.SOCKET` of Node's tcp_wrap, and `UV_TCP_IPV6ONLY` and `UV_TCP_REUSEPORT` of libuv. */
const socketType = 0
const ipv6OnlyFlag = 1
const reusePortFlag = 2

interface Place {
  host: string
  port: number
}

/** Resolves with undefined on systems without SO_REUSEPORT. */
export async function createOwnPort(): Promise<OwnPort | undefined> {
  const Handle = await findHandleClass()
  if (Handle === undefined) return undefined
  const listening = new Set<Place>()

  function share(listener: Listener): void {
    const { listen, close } = listener
    let place: Place | undefined
    listener.listen = async (address: Multiaddr) => {
      await throwIfTaken(address)
      await listen.call(listener, address)
      const [host] = address.getComponents()
      const port = listener.getAddrs().map((each) => endpointOf(each)?.port)[0]
      // A socket on loopback reaches nobody else.
      if (host?.value === undefined || port === undefined || isLoopbackAddress(host.value)) return
      place = { host: host.value, port }
      listening.add(place)
    }
    listener.close = async () => {
      if (place !== undefined) listening.delete(place)
      await close.call(listener)
    }
  }

  return {
    share,
    bind(ip) {
      const place = [...listening].find(({ host }) => isIP(host) === isIP(ip))
      if (place === undefined || !isPublicAddress(ip)) return undefined
      const handle = new Handle(socketType)
      if (bindTo(place, handle) === 0) return handle
      handle.close()
      return undefined
    },
  }
}

/** @returns 0, or the number of an error */
function bindTo({ host, port }: Place, handle: BoundHandle): number {
  if (isIP(host) === 4) return handle.bind(host, port, reusePortFlag)
  return handle.bind6(host, port, reusePortFlag | ipv6OnlyFlag)
}

/** Node exports the class of its TCP handles nowhere, but servers have one. */
async function findHandleClass(): Promise<HandleClass | undefined> {
  const server = closedToAll()
  try {
    await once(server.listen({ host: '127.0.0.1', port: 0, reusePort: true }), 'listening')
    const handle: unknown = Reflect.get(server, '_handle')
    const type = typeof handle === 'object' && handle !== null ? handle.constructor : undefined
    return isHandleClass(type) ? type : undefined
  } catch {
    return undefined
  } finally {
    server.close()
  }
}

/** A server that is there for its place only: whoever connects meanwhile neither ends the process nor keeps the server open. */
function closedToAll(): Server {
  return adoptSocketsOf(createServer((socket) => socket.destroy()))
}

function isHandleClass(type: unknown): type is HandleClass {
  return typeof type === 'function' && ['bind', 'bind6', 'close', 'reset'].every((name) => typeof type.prototype[name] === 'function')
}

/** With SO_REUSEPORT the system would let two programs of one user have the port, and give each half of the links. */
async function throwIfTaken(address: Multiaddr): Promise<void> {
  const port = endpointOf(address)?.port
  const [host] = address.getComponents()
  if (port === undefined || port === 0 || host?.value === undefined) return
  const server = closedToAll()
  await once(server.listen({ host: host.value, port, ipv6Only: host.name === 'ip6', exclusive: true }), 'listening')
  const closed = once(server, 'close')
  server.close()
  await closed
}

const takenCodes = ['EADDRINUSE', 'EADDRNOTAVAIL']

/** Whether a dial failed because this node has, or had until lately, a connection between the same two ports. */
export function isPortTaken(error: unknown): boolean {
  return error instanceof Error && 'code' in error && takenCodes.includes(String(error.code))
}

/**
 * Whether a dial may have failed because the peer dialled this node from its listening port at the same moment. The two
 * dials are then one connection, on which both ends begin the handshake.
 */
export function mayHaveCrossed(error: unknown): boolean {
  return error instanceof Error && error.name === 'EncryptionFailedError'
}
