import type { ConnectionGater } from '@libp2p/interface'
import type { Logger } from 'pino'
import type { Limits } from '../../../limits.ts'
import { throughRelays } from '../../dial/circuit-address.ts'
import type { DialPolicy } from '../../dial/policy.ts'
import type { LimitsReached } from '../../limits-reached.ts'
import { createRouterPorts } from '../../port-mapping/router-ports.ts'
import type { ReachCounter } from '../../reach/reach-counts.ts'
import type { Routing } from '../../routing.ts'
import type { EngineSettings } from '../../settings.ts'
import type { DialledAt } from '../dialled-at.ts'
import type { Links } from '../links.ts'
import type { Node } from '../node.ts'
import type { Protocols } from '../protocols.ts'
import { createRelayServer, type RelayServer } from '../transport/relay-server.ts'
import type { WantedLinks } from '../wanted-links.ts'
import { createWebRtc } from '../webrtc/webrtc.ts'
import type { WebRtcLoader } from '../webrtc/webrtc-transport.ts'
import { createOwnAddresses, type OwnAddresses } from './own-addresses.ts'
import { createReach, type Reach } from './reach.ts'
import type { RelayNeed } from './relay-keeper.ts'
import { createRelays, type Relays } from './relays.ts'

/** How this node is reached, and what follows from it: the ports of its router, its relays, and whether it is one. */
export interface Reachable extends Pick<Reach, 'register' | 'identified' | 'gone' | 'view'>, Pick<Relays, 'closed'> {
  readonly addresses: OwnAddresses
  readonly relay: RelayServer
  /** The gater of the node, with the decisions about circuits. */
  readonly gater: ConnectionGater
  readonly webRtc: WebRtcLoader
  /** Whether this node is hidden, as far as it knows. */
  needsHoles(): boolean
  start(): void
  stop(): Promise<void>
}

export interface ReachableInit extends Pick<EngineSettings, 'listen' | 'announce' | 'relay' | 'portMapping' | 'webRtc'> {
  peerId: string
  limits: Limits
  /** A secret of this node, of which routers are shown keyed hashes. */
  secret: Uint8Array
}

export function createReachable(
  init: ReachableInit,
  components: {
    node(): Node | undefined
    links: Pick<Links, 'peers'>
    policy: DialPolicy
    protocols: Pick<Protocols, 'request' | 'handle'>
    wanted: Pick<WantedLinks, 'dial' | 'isWanted' | 'isSettled' | 'gater' | 'ownDials'>
    routing: Pick<Routing, 'closestPeers' | 'findPeer'>
    dialledAt: Pick<DialledAt, 'of'>
    reached: LimitsReached
    counter: ReachCounter
    logger: Logger
  },
): Reachable {
  const { limits, secret } = init
  const { node, links, policy, protocols, wanted, reached, counter, logger } = components
  const { isConfigured } = wanted.ownDials
  const relay = createRelayServer({ limits, isOn: init.relay === true }, { isConfigured, reached, counter })
  const addresses = createOwnAddresses()
  const webRtc = createWebRtc(init, { node, peers: links.peers, addresses, protocols, counter, logger })
  const routerPorts = createRouterPorts(
    { isOn: init.portMapping, secret },
    { ports: () => reach.localPorts(), onChange: () => reach.remapped(), logger },
  )
  const reach = createReach(init, {
    node,
    peers: links.peers,
    addresses,
    policy,
    mapped: () => routerPorts.mapped,
    relays: () => relays.all,
    onState(state) {
      if (init.relay !== 'when-reachable') return
      relay.switchTo(state === 'direct').catch((err: unknown) => logger.warn({ err }, 'the node could not become a relay'))
    },
    logger,
  })

  const relays = createRelays(init, {
    ...components,
    need,
    peers: links.peers,
    announce: addresses.announceRelayed,
  })

  /** Configured addresses are announced in place of relayed ones, too. */
  function need(): RelayNeed {
    if (init.listen.includes(throughRelays)) return 'seek'
    const { state } = reach.view()
    if (init.announce.length > 0 || state === 'direct') return 'none'
    return state === 'hidden' ? 'seek' : 'keep'
  }

  return {
    addresses,
    relay,
    webRtc,
    needsHoles: () => need() !== 'none',
    gater: {
      ...wanted.gater,
      ...relay.gater,
      denyInboundRelayedConnection: (over, peer) =>
        relays.offered(over.toString(), peer.toString()) || wanted.gater.denyInboundRelayedConnection?.(over, peer) === true,
    },
    register: reach.register,
    identified(result) {
      reach.identified(result)
      webRtc.identified(result)
      relays.look()
    },
    closed: relays.closed,
    gone(peerId) {
      reach.gone(peerId)
      relays.gone(peerId)
    },
    view: reach.view,
    start() {
      reach.start()
      relays.start()
      webRtc.start()
      routerPorts.start()
    },
    async stop() {
      reach.stop()
      await Promise.all([relays.stop(), webRtc.stop()])
      await routerPorts.stop()
    },
  }
}
