import { createSocket, type Socket } from 'node:dgram'
import { networkInterfaces } from 'node:os'
import multicastDns from 'multicast-dns'
import type { Logger } from 'pino'
import { adopt } from '../../lib/adopt-socket.ts'
import { createSeldom, sayAgainMs } from '../../lib/seldom.ts'
import { createSerial } from '../../lib/serial.ts'
import { createPacketFilter } from './packet-filter.ts'

/**
 * Sends and receives multicast DNS packets over IPv4 (RFC 6762) on every interface of this host, whatever its routes.
 * Interfaces may come and go.
 */
export interface LocalMulticast {
  start(): void
  stop(): Promise<void>
  /**
   * Sends on each interface the packet that `packetOn` returns; undefined skips the interface. Never rejects, since an
   * interface may fail.
   */
  send(packetOn: (on: NetworkInterface) => OutgoingPacket | undefined): Promise<void>
}

export interface NetworkInterface {
  readonly name: string
  /** IPv4 and IPv6 addresses, without a zone. */
  readonly addresses: readonly string[]
  /** Its networks of IPv4, in CIDR notation. */
  readonly networks: readonly string[]
  /** Whether the interface connects to this host only. */
  readonly isLoopback: boolean
}

export type OutgoingPacket =
  | ({ type: 'query' } & multicastDns.QueryOutgoingPacket)
  | ({ type: 'response' } & multicastDns.ResponseOutgoingPacket)

const group = '224.0.0.251'
/** RFC 6762, section 11. */
const ttl = 255
/** Milliseconds between two checks of the interfaces. */
const lookMs = 2_000

interface Open {
  socket: Socket
  dns: multicastDns.MulticastDNS
  isBound: boolean
  /** Interfaces whose multicast group was joined, by name, with the address used to join. */
  joined: Map<string, string>
}

/** @param init.serviceName packets about other services are not parsed */
export function createLocalMulticast(
  init: { serviceName: string },
  components: {
    onQuery(packet: multicastDns.QueryPacket): void
    onResponse(packet: multicastDns.ResponsePacket, from: { address: string }): void
    /** An interface is new, and its network has not been queried yet. */
    onInterface(): void
    logger: Logger
  },
): LocalMulticast {
  const { onQuery, onResponse, onInterface, logger } = components
  const filter = createPacketFilter({ name: init.serviceName })
  const inTurn = createSerial()
  const isDue = createSeldom({ everyMs: sayAgainMs })
  /** Present interfaces with a logged failure. */
  const told = new Set<string>()
  let open: Open | undefined
  let looking: NodeJS.Timeout | undefined

  function tell(err: unknown, name: string): void {
    logger[told.has(name) ? 'debug' : 'warn']({ err, interface: name }, 'multicast DNS does not work on an interface')
    told.add(name)
  }

  function openSocket(): Open {
    const socket = adopt(createSocket({ type: 'udp4', reuseAddr: true }))
    // This file follows the interfaces; multicast-dns itself sends by the default route only.
    const dns = multicastDns({ socket, multicast: false })
    // It parses whatever comes.
    const parsers = socket.listeners('message')
    socket.removeAllListeners('message')
    socket.on('message', (packet, from) => {
      if (filter.isAccepted(packet, from)) for (const parse of parsers) parse.call(socket, packet, from)
    })
    const opened: Open = { socket, dns, isBound: false, joined: new Map() }
    dns.on('query', onQuery)
    dns.on('response', onResponse)
    dns.on('warning', (err: Error) => logger.debug({ err }, 'a multicast DNS packet could not be parsed'))
    dns.on('error', (err: Error) => {
      logger[isDue('port') ? 'warn' : 'debug']({ err }, 'the multicast DNS port could not be opened; it is tried again')
      if (open === opened) open = undefined
      dns.destroy()
    })
    socket.once('listening', () => {
      if (open !== opened) return
      socket.setMulticastTTL(ttl)
      opened.isBound = true
      follow(opened)
    })
    return opened
  }

  function look(): void {
    open ??= openSocket()
    if (open.isBound) follow(open)
  }

  function follow({ socket, joined }: Open): void {
    const present = presentInterfaces()
    filter.setNetworks(present.flatMap(({ networks }) => networks))
    for (const [name, address] of joined) {
      if (present.some((each) => each.name === name && ipv4Of(each) === address)) continue
      joined.delete(name)
      told.delete(name)
      leave(socket, address)
    }
    const isNew = present.filter((each) => join(socket, each, joined))
    if (isNew.length > 0) onInterface()
  }

  /**
   * Joins the multicast group, and returns whether it was not joined before. It is tried each time, because an
   * interface that was removed and recreated loses its membership.
   */
  function join(socket: Socket, each: NetworkInterface, joined: Map<string, string>): boolean {
    const address = ipv4Of(each)
    try {
      socket.addMembership(group, address)
      joined.set(each.name, address)
      return true
    } catch (err) {
      if (codeOf(err) !== 'EADDRINUSE') tell(err, each.name)
      return false
    }
  }

  async function sendOn(each: NetworkInterface, packet: OutgoingPacket): Promise<void> {
    const current = open
    if (current?.isBound !== true) return
    try {
      current.socket.setMulticastInterface(ipv4Of(each))
      await new Promise<void>((resolve, reject) => {
        const done = (err: Error | null) => (err === null || err === undefined ? resolve() : reject(err))
        if (packet.type === 'query') current.dns.query(packet, done)
        else current.dns.respond(packet, done)
      })
    } catch (err) {
      if (open === current) tell(err, each.name)
    }
  }

  return {
    start() {
      if (looking !== undefined) return
      looking = setInterval(look, lookMs)
      look()
    },
    async stop() {
      clearInterval(looking)
      looking = undefined
      const stopping = open
      open = undefined
      if (stopping !== undefined) await new Promise<void>((resolve) => stopping.dns.destroy(() => resolve()))
    },
    // One at a time: the outgoing interface is set for the whole socket, and a packet leaves later than it is handed
    // over.
    send: (packetOn) =>
      inTurn(async () => {
        for (const each of presentInterfaces()) {
          const packet = packetOn(each)
          if (packet !== undefined) await sendOn(each, packet)
        }
      }),
  }
}

/** The interfaces that are up and have an IPv4 address. */
function presentInterfaces(): NetworkInterface[] {
  return Object.entries(networkInterfaces()).flatMap(([name, all = []]) => {
    const networks = all.flatMap(({ family, cidr }) => (family === 'IPv4' && cidr !== null ? [cidr] : []))
    if (networks.length === 0) return []
    return [{ name, addresses: all.map(({ address }) => address), networks, isLoopback: all.every(({ internal }) => internal) }]
  })
}

function ipv4Of({ addresses }: NetworkInterface): string {
  return addresses.find((address) => !address.includes(':')) ?? ''
}

function leave(socket: Socket, address: string): void {
  try {
    socket.dropMembership(group, address)
  } catch {
    // The membership ended with the interface.
  }
}

function codeOf(err: unknown): unknown {
  return err instanceof Error && 'code' in err ? err.code : undefined
}
