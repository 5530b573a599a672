import { randomBytes, randomInt } from 'node:crypto'
import { isIP } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import type { Connection, Listener, MultiaddrConnection } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { orAborted } from '../../../lib/deadline.ts'
import { peerIdOf } from '../../../model/peer.ts'
import { endpointOf, withoutPeerId, withPeerId } from '../../dial/endpoint.ts'
import { isLoopbackAddress, isPublicAddress } from '../../dial/policy.ts'
import type { Allowance } from '../../reach/allowance.ts'
import { type FlowOptions, openUdpPort, type UdpAddress, type UdpFlow, type UdpPort } from './udp-port.ts'

/**
 * A UDP port beside the one that this node listens on, from which it dials peers on the Internet by QUIC, and on which it
 * takes connections of those that it punches a hole for. A router then shows one address of it to all of them.
 *
 * The library dials from a port on which it takes no connections, and cannot dial from the one on which it does
 * (https://github.com/ChainSafe/js-libp2p-quic/issues/68). So its packets pass through this port, which costs half of
 * the throughput: only punched connections use it, and the few by which others tell how they see it.
 */
export interface QuicOwnPort {
  /** Has the listener take the connections of peers that this node punches a hole for. */
  share(listener: Listener): void
  /**
   * A way from the port to an address on the Internet, for a dial; undefined where this node listens on no such port.
   * @param punch otherwise it is undefined too when enough connections use the port, or a dial from it has failed lately
   * @throws for a punch, when the port has no way left
   */
  open(remote: UdpAddress, punch?: Punched): Promise<OwnFlow | undefined>
  /**
   * Opens the routers for the peer, which dials this node at the same moment. The server of a QUIC connection cannot
   * dial, so it sends packets that mean nothing (https://github.com/libp2p/specs/blob/master/relay/DCUtR.md#the-protocol).
   * @returns the direct connection that the peer has opened, over QUIC or not
   */
  letIn(remote: UdpAddress, options: Punched & { opened: Promise<Connection>; signal: AbortSignal }): Promise<Connection>
  /** A connection has come to the listener. One through the port is shown at the address that it comes from. */
  arrived(connection: MultiaddrConnection): void
}

/** A hole that is punched to an address of a peer, which may have named one of others. */
export interface Punched {
  allowance: Allowance | undefined
}

export interface OwnFlow {
  /** What the library dials in place of the remote address. */
  readonly inner: string
  /** A connection uses the flow, which closes after it. */
  carries(connection: MultiaddrConnection): void
  /** The dial has failed, maybe because of the port: ordinary ones leave from others for a while. */
  failed(): void
  /** Closes the flow unless a connection uses it. */
  release(): void
}

/** Number of connections by which others tell where they see the port. */
const maxObserved = 2
/** Bytes: too few for an answer. Milliseconds between such packets, and their number for one address. */
const punchBytes = 16
const minPauseMs = 10
const maxPauseMs = 200
const maxPunchPackets = 50
/** Milliseconds after the end of a connection, in which the library still tells the peer about it. */
const lingerMs = 1_000
/** Milliseconds after a dial from the port has failed, in which ordinary ones leave from others. */
const failedPauseMs = 60_000

const noWay = 'no packets can be sent from the port to which peers punch'

interface Place {
  /** Where the library listens. */
  server: UdpAddress
  port?: Promise<UdpPort>
  observed: number
  /** When ordinary dials may leave from the port. */
  observesAt: number
}

export function createQuicOwnPort(
  { maxFlows }: { maxFlows: number },
  components: { isDialled?: (ip: string) => boolean; now?: () => number } = {},
): QuicOwnPort {
  const { isDialled = isPublicAddress, now = () => performance.now() } = components
  const places = new Set<Place>()
  /** Flows that lead to a listener, by what the library takes for their remote address. */
  const arriving = new Map<string, OwnFlowAt & { remote: UdpAddress }>()

  function placeFor(ip: string): Place | undefined {
    return isDialled(ip) ? [...places].find(({ server }) => isIP(server.ip) === isIP(ip)) : undefined
  }

  async function portOf(place: Place): Promise<UdpPort> {
    const { ip } = place.server
    place.port ??= openUdpPort({ ip, innerIp: innerOf(ip), maxFlows })
    try {
      return await place.port
    } catch (error) {
      delete place.port
      throw error
    }
  }

  async function flowFrom(place: Place, remote: UdpAddress, onClosed: () => void, options?: FlowOptions): Promise<OwnFlowAt | undefined> {
    const flow = await (await portOf(place)).open(remote, options)
    return flow === undefined ? undefined : ownFlow(flow, onClosed)
  }

  /** Lets the library's last packets pass, by which it ends its connections. */
  async function closePort({ port: opening }: Place): Promise<void> {
    const port = await opening?.catch(() => undefined)
    if (port === undefined) return
    if (port.size > 0) await pause(lingerMs)
    port.close()
  }

  return {
    share(listener) {
      const { listen, close } = listener
      let place: Place | undefined
      listener.listen = async (address: Multiaddr) => {
        await listen.call(listener, address)
        const ip = address.getComponents()[0]?.value
        const port = listener.getAddrs().map((each) => endpointOf(each)?.port)[0]
        // A socket on loopback reaches nobody else.
        if (ip === undefined || port === undefined || (isLoopbackAddress(ip) && !isDialled(ip))) return
        place = { server: { ip, port }, observed: 0, observesAt: Number.NEGATIVE_INFINITY }
        places.add(place)
      }
      listener.close = async () => {
        if (place !== undefined) places.delete(place)
        try {
          await close.call(listener)
        } finally {
          if (place !== undefined) await closePort(place)
        }
      }
    },
    async open(remote, punch) {
      const place = placeFor(remote.ip)
      if (place === undefined) return undefined
      if (punch !== undefined) {
        const flow = await flowFrom(place, remote, () => undefined, punch)
        if (flow === undefined) throw new Error(noWay)
        return { ...flow, failed: () => undefined }
      }
      if (place.observed >= maxObserved || now() < place.observesAt) return undefined
      place.observed++
      const flow = await flowFrom(place, remote, () => void place.observed--).catch(() => undefined)
      if (flow === undefined) {
        place.observed--
        return undefined
      }
      const failed = () => {
        place.observesAt = now() + failedPauseMs
      }
      return { ...flow, failed }
    },
    async letIn(remote, { opened, signal, allowance }) {
      const place = placeFor(remote.ip)
      const { ip, port } = place?.server ?? { ip: '', port: 0 }
      const server = { ip: innerOf(ip), port }
      const flow = place && (await flowFrom(place, remote, () => arriving.delete(flow?.inner ?? ''), { server, allowance }))
      if (flow === undefined) throw new Error(noWay)
      arriving.set(flow.inner, { ...flow, remote })
      let timer: NodeJS.Timeout | undefined
      let sent = 0
      function send(): void {
        flow?.send(randomBytes(punchBytes))
        sent++
        if (sent < maxPunchPackets) timer = setTimeout(send, randomInt(minPauseMs, maxPauseMs))
      }
      send()
      try {
        return await orAborted(opened, signal)
      } finally {
        clearTimeout(timer)
        flow.release()
      }
    },
    arrived(connection) {
      const flow = arriving.get(withoutPeerId(connection.remoteAddr))
      if (flow === undefined) return
      connection.remoteAddr = withPeerId(addressOf(flow.remote), peerIdOf(connection.remoteAddr))
      flow.carries(connection)
    },
  }
}

interface OwnFlowAt extends Omit<OwnFlow, 'failed'>, Pick<UdpFlow, 'send'> {}

function ownFlow(flow: UdpFlow, onClosed: () => void): OwnFlowAt {
  let carried = 0
  let isClosed = false
  function close(): void {
    if (isClosed || carried > 0) return
    isClosed = true
    flow.close()
    onClosed()
  }
  return {
    inner: addressOf(flow.inner),
    send: flow.send,
    carries(connection) {
      carried++
      connection.addEventListener(
        'close',
        () => {
          carried--
          setTimeout(close, lingerMs).unref()
        },
        { once: true },
      )
    },
    release: close,
  }
}

/** Where a listener is reached from its own host. */
function innerOf(ip: string): string {
  if (ip === '0.0.0.0') return '127.0.0.1'
  return ip === '::' ? '::1' : ip
}

function addressOf({ ip, port }: UdpAddress): string {
  return `/ip${isIP(ip)}/${ip}/udp/${port}/quic-v1`
}
