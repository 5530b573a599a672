import { isIP } from 'node:net'
import type { Connection, IdentifyResult } from '@libp2p/interface'
import type { Logger } from 'pino'
import { createDeadline } from '../../../lib/deadline.ts'
import type { ConnectedPeer } from '../../engine.ts'
import type { EngineSettings } from '../../settings.ts'
import type { StunServer } from '../../stun/stun-server.ts'
import type { Node } from '../node.ts'
import type { Protocols } from '../protocols.ts'
import type { OwnAddresses } from '../reach/own-addresses.ts'
import { tellerOf } from '../teller-of.ts'
import { createUpgrades, type UpgradeLimits } from './upgrades.ts'
import { loadWebRtc, type WebRtcLimits, type WebRtcLoader } from './webrtc-transport.ts'

/**
 * WebRTC of a node: the transport, the STUN server for peers, and the upgrades of relayed connections. Nothing of it is
 * loaded, bound or registered unless the operator has turned it on.
 */
export interface WebRtc extends WebRtcLoader {
  /** A peer has said what it speaks. */
  identified(result: IdentifyResult): void
  start(): void
  stop(): Promise<void>
}

/** Asks a gateway for the UDP port of its STUN server: no bytes; two bytes, big endian. */
const stunProtocol = '/peergate/stun/1.0.0'
/** Maximum STUN servers that a peer connection asks, and milliseconds to learn their ports. */
const maxServers = 2
const askMs = 2_000
/** Requests for the port in progress: they wait for nothing. */
const maxConcurrent = 8

export function createWebRtc(
  init: Pick<EngineSettings, 'webRtc'> & { limits: WebRtcLimits & UpgradeLimits },
  components: {
    node(): Node | undefined
    peers(node: Node): ConnectedPeer[]
    addresses: Pick<OwnAddresses, 'dialBySignals'>
    protocols: Pick<Protocols, 'request' | 'handle'>
    logger: Logger
  },
): WebRtc {
  const { webRtc, limits } = init
  const { node, peers, addresses, protocols, logger } = components
  const ports = new WeakMap<Connection, number>()
  const upgrades = createUpgrades(
    { limits },
    { connectionsTo: (peer) => node()?.getConnections(peer) ?? [], dial: addresses.dialBySignals, logger },
  )
  let starting: Promise<StunServer> | undefined
  let server: StunServer | undefined

  if (webRtc !== undefined) {
    protocols.handle(
      stunProtocol,
      async () => {
        if (server === undefined) throw new Error('the STUN server is not running')
        const answer = Buffer.alloc(2)
        answer.writeUInt16BE(server.port)
        return answer
      },
      { maxRequestBytes: 0, maxConcurrent },
    )
  }

  async function portOf(connection: Connection, signal: AbortSignal): Promise<number> {
    const known = ports.get(connection)
    if (known !== undefined) return known
    const answer = await protocols.request(node(), connection.remotePeer.toString(), stunProtocol, new Uint8Array(), {
      signal,
      maxAnswerBytes: 2,
    })
    const port = Buffer.from(answer).readUInt16BE()
    ports.set(connection, port)
    return port
  }

  /** Gateways that this node is linked to. A server of someone else learns of nobody. */
  async function stunServers(): Promise<string[]> {
    const running = node()
    if (running === undefined) return []
    const able = new Set(peers(running).flatMap(({ peerId, protocols: spoken }) => (spoken.includes(stunProtocol) ? peerId : [])))
    const linked = running
      .getConnections()
      .filter(({ direct, status, remotePeer }) => direct && status === 'open' && able.has(`${remotePeer}`))
    using deadline = createDeadline(askMs, [])
    const asked = linked.slice(0, maxServers).map(async (connection) => {
      const { ip } = tellerOf(connection)
      if (isIP(ip) === 0) throw new Error('the link has no IP address')
      return `stun:${ip.includes(':') ? `[${ip}]` : ip}:${await portOf(connection, deadline.signal)}`
    })
    return (await Promise.allSettled(asked)).flatMap((each) => (each.status === 'fulfilled' ? each.value : []))
  }

  async function startServer(port: number): Promise<StunServer> {
    const { startStunServer } = await import('../../stun/stun-server.ts')
    server = await startStunServer({ port })
    return server
  }

  return {
    isOn: webRtc !== undefined,
    load: (given) => loadWebRtc({ limits }, { ...given, stunServers }),
    identified(result) {
      if (webRtc !== undefined) upgrades.identified(result)
    },
    start() {
      if (webRtc === undefined) return
      starting = startServer(webRtc.stunPort)
      starting.catch((err: unknown) => logger.warn({ err }, 'the STUN server could not start on PEERGATE_STUN_PORT'))
    },
    async stop() {
      upgrades.stop()
      const stopping = starting
      starting = undefined
      await (await stopping?.catch(() => undefined))?.[Symbol.asyncDispose]()
      server = undefined
    },
  }
}
