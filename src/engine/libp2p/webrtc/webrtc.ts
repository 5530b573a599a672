import type { IdentifyResult } from '@libp2p/interface'
import type { Logger } from 'pino'
import type { ConnectedPeer } from '../../engine.ts'
import type { ReachCounter } from '../../reach/reach-counts.ts'
import type { EngineSettings } from '../../settings.ts'
import { createStunService, maxStunAnswerBytes, type StunAddress, stunHandleOptions, stunProtocol } from '../../stun/stun-service.ts'
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

export function createWebRtc(
  init: Pick<EngineSettings, 'webRtc'> & { limits: WebRtcLimits & UpgradeLimits },
  components: {
    node(): Node | undefined
    peers(node: Node): ConnectedPeer[]
    addresses: Pick<OwnAddresses, 'dialBySignals'>
    protocols: Pick<Protocols, 'request' | 'handle'>
    counter: Pick<ReachCounter, 'punched'>
    logger: Logger
  },
): WebRtc {
  const { webRtc, limits } = init
  const { node, peers, addresses, protocols, counter, logger } = components
  const stun = webRtc === undefined ? undefined : createStunService(webRtc, { logger })
  const upgrades = createUpgrades(
    { limits },
    { connectionsTo: (peer) => node()?.getConnections(peer) ?? [], dial: addresses.dialBySignals, logger },
  )
  if (stun !== undefined) protocols.handle(stunProtocol, stun.handle, stunHandleOptions)

  /** Gateways that this node is linked to. */
  async function stunServers(): Promise<StunAddress[]> {
    const running = node()
    if (running === undefined || stun === undefined) return []
    const able = new Set(peers(running).flatMap(({ peerId, protocols: spoken }) => (spoken.includes(stunProtocol) ? peerId : [])))
    const linked = running
      .getConnections()
      .filter(({ direct, status, remotePeer }) => direct && status === 'open' && able.has(`${remotePeer}`))
    return await stun.of(
      linked.map((connection) => ({
        key: connection,
        ip: tellerOf(connection).ip,
        ask: (signal) =>
          protocols.request(running, connection.remotePeer.toString(), stunProtocol, new Uint8Array(), {
            signal,
            maxAnswerBytes: maxStunAnswerBytes,
          }),
      })),
    )
  }

  return {
    isOn: webRtc !== undefined,
    load: (given) => loadWebRtc({ limits }, { ...given, stunServers, onOutcome: (outcome) => counter.punched('udp', outcome) }),
    identified(result) {
      if (webRtc !== undefined) upgrades.identified(result)
    },
    start: () => stun?.start(),
    async stop() {
      upgrades.stop()
      await stun?.stop()
    },
  }
}
