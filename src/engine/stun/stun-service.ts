import { isIP } from 'node:net'
import type { Logger } from 'pino'
import { createDeadline } from '../../lib/deadline.ts'
import { ipNetwork } from '../../lib/ip-network.ts'
import type { RequestHandler } from '../engine.ts'
import type { StunServer } from './stun-server.ts'

/**
 * The STUN server of a gateway, and those of the gateways that it is linked to, which have told its port. A server of
 * someone else learns of nobody.
 */
export interface StunService {
  /** Handles `stunProtocol`. */
  readonly handle: RequestHandler
  /** The servers behind two of the links, other ones each time: any peer may say that it has a server. */
  of(links: readonly StunLink[]): Promise<StunAddress[]>
  start(): void
  stop(): Promise<void>
}

/** Where a STUN server is. `hostname` is an IP address. */
export interface StunAddress {
  hostname: string
  port: number
}

/** A direct link to a gateway that handles `stunProtocol`. */
export interface StunLink {
  /** The link itself: its port is asked for once. */
  key: object
  /** The IP address of the gateway. */
  ip: string
  /** Sends a request of `stunProtocol`. */
  ask(signal: AbortSignal): Promise<Uint8Array>
}

/** Asks a gateway for the UDP port of its STUN server: no bytes; two bytes, big endian. */
export const stunProtocol = '/peergate/stun/1.0.0'
export const maxStunAnswerBytes = 2
/** Requests for the port in progress: they wait for nothing. */
export const stunHandleOptions = { maxRequestBytes: 0, maxConcurrent: 8 }

/** Maximum STUN servers that a peer connection asks, and milliseconds to learn their ports. */
const maxServers = 2
const askMs = 2_000

/** The server listens on the UDP port, from the start to the stop. */
export function createStunService(init: { stunPort: number }, components: { logger: Logger }): StunService {
  const { logger } = components
  const ports = new WeakMap<object, number>()
  /** Where the next choice of links begins. */
  let first = 0
  let starting: Promise<StunServer> | undefined
  let server: StunServer | undefined

  async function startServer(): Promise<StunServer> {
    const { startStunServer } = await import('./stun-server.ts')
    server = await startStunServer({ port: init.stunPort })
    return server
  }

  async function portOf({ key, ask }: StunLink, signal: AbortSignal): Promise<number> {
    const known = ports.get(key)
    if (known !== undefined) return known
    const port = Buffer.from(await ask(signal)).readUInt16BE()
    // With it the native library asks no server at all.
    if (port === 0) throw new Error('the gateway names no port')
    ports.set(key, port)
    return port
  }

  return {
    async handle() {
      if (server === undefined) throw new Error('the STUN server is not running')
      const answer = Buffer.alloc(maxStunAnswerBytes)
      answer.writeUInt16BE(server.port)
      return answer
    },
    async of(links) {
      using deadline = createDeadline(askMs, [])
      // Peers of one address take the place of one.
      const hosts = [...new Map(links.filter(({ ip }) => isIP(ip) !== 0).map((link) => [ipNetwork(link.ip), link])).values()]
      const inTurn = hosts.map((_, place) => hosts[(first + place) % hosts.length]).filter((link) => link !== undefined)
      first += maxServers
      const asked = inTurn.slice(0, maxServers).map(async (link) => ({ hostname: link.ip, port: await portOf(link, deadline.signal) }))
      return (await Promise.allSettled(asked)).flatMap((each) => (each.status === 'fulfilled' ? each.value : []))
    },
    start() {
      starting = startServer()
      starting.catch((err: unknown) => logger.warn({ err }, 'the STUN server could not start on PEERGATE_STUN_PORT'))
    },
    async stop() {
      const stopping = starting
      starting = undefined
      await (await stopping?.catch(() => undefined))?.[Symbol.asyncDispose]()
      server = undefined
    },
  }
}
