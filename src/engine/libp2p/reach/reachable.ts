import type { Logger } from 'pino'
import type { Limits } from '../../../limits.ts'
import type { DialPolicy } from '../../dial/policy.ts'
import type { LimitsReached } from '../../limits-reached.ts'
import type { PortMapper } from '../../port-mapping/port-mapper.ts'
import type { ReachCounter } from '../../reach/reach-counts.ts'
import type { EngineSettings } from '../../settings.ts'
import { relaysIn } from '../addresses.ts'
import type { Links } from '../links.ts'
import type { Node } from '../node.ts'
import type { Protocols } from '../protocols.ts'
import { createRelayServer, type RelayServer } from '../transport/relay-server.ts'
import { createWebRtc } from '../webrtc/webrtc.ts'
import type { WebRtcLoader } from '../webrtc/webrtc-transport.ts'
import { createOwnAddresses, type OwnAddresses } from './own-addresses.ts'
import { createReach, type Reach } from './reach.ts'

/** How this node is reached, and what follows from it: the ports of its router, and whether it relays for others. */
export interface Reachable extends Pick<Reach, 'register' | 'identified' | 'gone' | 'view'> {
  readonly addresses: OwnAddresses
  readonly relay: RelayServer
  readonly webRtc: WebRtcLoader
  start(): void
  stop(): Promise<void>
}

export interface ReachableInit extends Pick<EngineSettings, 'announce' | 'relay' | 'portMapping' | 'webRtc'> {
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
    /** Whether the operator configured the peer. */
    isConfigured(peerId: string): boolean
    reached: LimitsReached
    counter: ReachCounter
    logger: Logger
  },
): Reachable {
  const { limits, secret } = init
  const { node, links, policy, protocols, isConfigured, reached, counter, logger } = components
  const relay = createRelayServer({ limits, isOn: init.relay === true }, { isConfigured, reached, counter })
  const addresses = createOwnAddresses()
  const webRtc = createWebRtc(init, { node, peers: links.peers, addresses, protocols, logger })
  let mapper: Promise<PortMapper> | undefined
  let running: PortMapper | undefined
  const reach = createReach(init, {
    node,
    peers: links.peers,
    addresses,
    policy,
    mapped: () => running?.mapped ?? [],
    relays: () =>
      relaysIn(
        node()
          ?.getMultiaddrs()
          .map((address) => address.toString()) ?? [],
      ),
    onState(state) {
      if (init.relay !== 'when-reachable') return
      relay.switchTo(state === 'direct').catch((err: unknown) => logger.warn({ err }, 'the node could not become a relay'))
    },
    logger,
  })

  /** Not loaded where it is not wanted, and after everything that a start waits for. */
  async function loadMapper(): Promise<PortMapper> {
    const { createPortMapping } = await import('../../port-mapping/port-mapping.ts')
    running = createPortMapping({ secret }, { ports: reach.localPorts, onChange: reach.update, logger })
    running.start()
    return running
  }

  return {
    addresses,
    relay,
    webRtc,
    register: reach.register,
    identified(result) {
      reach.identified(result)
      webRtc.identified(result)
    },
    gone: reach.gone,
    view: reach.view,
    start() {
      reach.start()
      webRtc.start()
      if (!init.portMapping) return
      mapper = loadMapper()
      mapper.catch((err: unknown) => logger.warn({ err }, 'the ports of the router cannot be used'))
    },
    async stop() {
      reach.stop()
      await webRtc.stop()
      const stopping = mapper
      mapper = undefined
      await (await stopping?.catch(() => undefined))?.stop()
      running = undefined
    },
  }
}
