import type { Logger } from 'pino'
import type { Limits } from '../../limits.ts'
import { parseAddress } from '../../model/peer.ts'
import { createDialDiscovered } from '../dial/discovered.ts'
import { withoutPeerId } from '../dial/endpoint.ts'
import { createKeepConnected } from '../dial/keep-connected.ts'
import type { DialPolicy } from '../dial/policy.ts'
import { createLocalDiscovery } from '../mdns/discovery.ts'
import { createSilentLinks } from '../silent-links.ts'
import type { Bootstrap } from './bootstrap.ts'
import type { Connections } from './connections.ts'
import type { Links } from './link/links.ts'
import { watchedOf } from './link-views.ts'
import type { PeerRecord } from './overlay/overlay.ts'

/**
 * The dials that this node makes by itself: configured peers, peers on the local network, and peers behind silent
 * links.
 */
export interface Seeking {
  start(): void
  stop(): Promise<void>
  /** The link to a peer has closed: a configured peer is dialled again. */
  lost(peerId: string): void
}

export interface SeekingInit {
  peerId: string
  mdns: boolean
  /** The default is the name that all nodes of this protocol have. */
  mdnsServiceName?: string
  limits: Limits
}

export interface SeekingComponents {
  links: Links
  connections(): Connections
  bootstrap: Bootstrap
  policy: DialPolicy
  addresses(): string[]
  /** A peer has announced itself on the local network. */
  onFound(peer: PeerRecord): void
  /** A peer has answered at an address of the configuration or of the local network. */
  onDialled(peer: PeerRecord, source: 'configured' | 'mdns'): void
  logger: Logger
}

export function createSeeking(init: SeekingInit, components: SeekingComponents): Seeking {
  const { peerId, limits } = init
  const { links, connections, bootstrap, policy, addresses, logger } = components
  const isSettled = (other: string) => connections().isSettled(other)
  const isWanted = (other: string) => connections().isWanted(other)
  const kept = createKeepConnected({
    peers: bootstrap.peers,
    isSettled: (name) => isSettled(bootstrap.peerIdOf(name)),
    isWanted: (name) => isWanted(bootstrap.peerIdOf(name)),
    dial: dialAndTell('configured'),
    logger,
  })
  const discovered = createDialDiscovered({ isWanted, dial: dialAndTell('mdns'), logger })
  const localNetwork = createLocalDiscovery(
    { serviceName: init.mdnsServiceName ?? '_peergate._udp.local', peerId, multiaddrs: addresses },
    { onFound, logger },
  )
  const silentLinks = createSilentLinks(
    { limits },
    {
      links: () => [...links.all].filter(({ direction }) => direction === 'outbound').map(watchedOf),
      isSettled,
      isWanted,
      policy,
      prove: (text, signal) => connections().prove(text, signal),
      dial: (text, signal) => connections().dial(text, { source: 'learnt', signal }),
      logger,
    },
  )

  function onFound(other: string, multiaddrs: string[], from: string): void {
    policy.told(multiaddrs, { ip: from, isRelayed: false })
    for (const text of multiaddrs) policy.note(withoutPeerId(parseAddress(text)), 'mdns')
    components.onFound({ peerId: other, multiaddrs })
    discovered.found(other, multiaddrs)
  }

  /** Reports only the addresses at which a peer was found. */
  function dialAndTell(source: 'configured' | 'mdns') {
    return async (text: string, signal: AbortSignal): Promise<void> => {
      const { link, isThere } = await connections().dial(text, { source, signal })
      if (isThere) components.onDialled({ peerId: link.peerId, multiaddrs: [text] }, source)
    }
  }

  return {
    start() {
      kept.start()
      silentLinks.start()
      if (init.mdns) localNetwork.start()
    },
    async stop() {
      await Promise.all([kept.stop(), silentLinks.stop(), discovered.stop(), localNetwork.stop()])
    },
    lost: (other) => kept.lost(bootstrap.nameOf(other)),
  }
}
