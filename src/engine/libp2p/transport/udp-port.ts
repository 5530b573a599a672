import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv6, SocketAddress } from 'node:net'
import { adopt } from '../../../lib/adopt-socket.ts'
import type { Allowance } from '../../reach/allowance.ts'

/**
 * A UDP port that several sockets of a library share: those that it dials from, and the one that it listens on. Each
 * remote address has a flow, which is a socket on the inner side of the port. The library takes it for the remote one.
 * Packets of other addresses are dropped.
 */
export interface UdpPort {
  /**
   * Opens a flow to a remote address.
   * @param server where packets of the remote address go; by default, to the address that first sends to the flow
   * @param allowance from which packets are taken until the remote address has sent one. Those beyond it are dropped
   * @returns undefined when the address has a flow already, or there are too many
   */
  open(remote: UdpAddress, options?: FlowOptions): Promise<UdpFlow | undefined>
  /** The number of flows. */
  readonly size: number
  /** Can be called twice. */
  close(): void
}

export interface FlowOptions {
  server?: UdpAddress | undefined
  allowance?: Allowance | undefined
}

export interface UdpFlow {
  /** Stands for the remote address on the inner side. */
  readonly inner: UdpAddress
  readonly remote: UdpAddress
  /** Sends a packet to the remote address. */
  send(packet: Uint8Array): void
  /** Can be called twice. */
  close(): void
}

export interface UdpAddress {
  ip: string
  port: number
}

interface Receiver {
  receive(packet: Uint8Array): void
  close(): void
}

/**
 * Binds a free port.
 * @param init.ip of an interface, or the unspecified one
 * @param init.innerIp where the library's sockets are reached; they send from there too
 */
export async function openUdpPort({ ip, innerIp, maxFlows }: { ip: string; innerIp: string; maxFlows: number }): Promise<UdpPort> {
  const flows = new Map<string, Receiver>()
  const inner = socketAddress({ ip: innerIp, port: 0 }).address
  const outer = await bound(ip)
  let isClosed = false
  outer.on('message', (packet, from) => flows.get(keyOf(from))?.receive(packet))

  return {
    async open(remote, { server, allowance } = {}) {
      const key = keyOf(socketAddress(remote))
      if (isClosed || flows.has(key) || flows.size >= maxFlows) return undefined
      const closing = new AbortController()
      const close = () => {
        if (flows.get(key) === receiver) flows.delete(key)
        closing.abort()
      }
      let receiver: Receiver = { receive: () => undefined, close }
      flows.set(key, receiver)
      const socket = await bound(innerIp).catch((error: unknown) => {
        close()
        throw error
      })
      if (closing.signal.aborted) {
        socket.close()
        return undefined
      }
      closing.signal.addEventListener('abort', () => socket.close(), { once: true })
      const unanswered = createUnanswered(allowance)
      const send = (packet: Uint8Array) => {
        if (unanswered.mayHave(packet)) sendFrom(outer, packet, remote)
      }
      let library = server
      socket.on('message', (packet, { address, port }) => {
        if (address !== inner) return
        library ??= { ip: innerIp, port }
        if (port === library.port) send(packet)
      })
      receiver = {
        receive(packet) {
          unanswered.end()
          if (library !== undefined) sendFrom(socket, packet, library)
        },
        close,
      }
      flows.set(key, receiver)
      return { inner: { ip: innerIp, port: socket.address().port }, remote, send, close }
    },
    get size() {
      return flows.size
    },
    close() {
      if (isClosed) return
      isClosed = true
      for (const flow of flows.values()) flow.close()
      outer.close()
    },
  }
}

/** What is sent to an address that has not answered. Without an allowance it has no bound. */
function createUnanswered(allowance: Allowance | undefined): { mayHave(packet: Uint8Array): boolean; end(): void } {
  let taken: Array<() => void> = []
  let isAnswered = allowance === undefined
  return {
    mayHave({ length }) {
      if (isAnswered) return true
      const giveBack = allowance?.take(length)
      if (giveBack !== undefined) taken.push(giveBack)
      return giveBack !== undefined
    },
    end() {
      if (isAnswered) return
      isAnswered = true
      for (const giveBack of taken) giveBack()
      taken = []
    },
  }
}

async function bound(ip: string): Promise<Socket> {
  const family = isIPv6(ip) ? 6 : 4
  // The addresses are IP addresses: without this, each packet is looked up.
  const socket = createSocket({ type: `udp${family}`, ipv6Only: family === 6, lookup: (host, _, done) => done(null, host, family) })
  const listening = once(adopt(socket), 'listening')
  try {
    socket.bind({ address: ip, port: 0, exclusive: true })
    await listening
    return socket
  } catch (error) {
    socket.close()
    throw error
  }
}

/** Packets that cannot be sent are lost, as others are on the way. */
function sendFrom(socket: Socket, packet: Uint8Array, { ip, port }: UdpAddress): void {
  try {
    socket.send(packet, port, ip, () => undefined)
  } catch {
    // The socket was closed.
  }
}

/** An address as the system writes it. */
function socketAddress({ ip, port }: UdpAddress): { address: string; port: number } {
  return new SocketAddress({ address: ip, family: isIPv6(ip) ? 'ipv6' : 'ipv4', port })
}

function keyOf({ address, port }: { address: string; port: number }): string {
  return `${address} ${port}`
}
