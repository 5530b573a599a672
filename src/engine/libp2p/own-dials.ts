import { multiaddr } from '@multiformats/multiaddr'
import type { Logger } from 'pino'
import { peerIdOf } from '../../model/peer.ts'
import { createDialDiscovered } from '../dial/discovered.ts'
import { createKeepConnected, type KeptPeer } from '../dial/keep-connected.ts'
import type { DialPolicy } from '../dial/policy.ts'
import type { EngineEvent, P2PEngine } from '../engine.ts'
import { createLocalDiscovery } from '../mdns/discovery.ts'

/** The dials that this node makes by itself: of configured peers, and of peers on the local network. */
export interface OwnDials {
  /** Number of configured peers. */
  readonly configured: number
  isConfigured(peerId: string): boolean
  start(): void
  /** The link to a peer has ended, or is wanted again: a configured peer is dialled. */
  lost(peerId: string): void
  stop(): Promise<void>
}

export function createOwnDials(
  init: { bootstrap: string[]; mdns: boolean; mdnsServiceName?: string; peerId: string; multiaddrs(): string[] },
  components: {
    policy: Pick<DialPolicy, 'told'>
    dial: P2PEngine['dial']
    isSettled(peerId: string): boolean
    isWanted(peerId: string): boolean
    emit(event: EngineEvent): void
    logger: Logger
  },
): OwnDials {
  const { policy, dial, isSettled, isWanted, emit, logger } = components
  const bootstrap = keptPeers(init.bootstrap)
  const kept = createKeepConnected({ peers: bootstrap, isSettled, isWanted, dial: dialAndTell('configured'), logger })
  const discovered = createDialDiscovered({ isWanted, dial: dialAndTell('mdns'), logger })
  const localNetwork = createLocalDiscovery(
    { serviceName: init.mdnsServiceName ?? '_p2p._udp.local', peerId: init.peerId, multiaddrs: init.multiaddrs },
    {
      onFound(other, multiaddrs, from) {
        policy.told(multiaddrs, { ip: from, isRelayed: false })
        discovered.found(other, multiaddrs)
      },
      logger,
    },
  )

  /** Emits a discovery only for an address at which the peer was found. */
  function dialAndTell(source: 'configured' | 'mdns') {
    return async (address: string, signal: AbortSignal): Promise<void> => {
      const peer = await dial(address, { source, signal })
      if (peer.isThere) emit({ type: 'peer:discovery', peerId: peer.peerId, multiaddrs: [address], source })
    }
  }

  return {
    configured: bootstrap.length,
    isConfigured: (other) => bootstrap.some((peer) => peer.peerId === other),
    start() {
      kept.start()
      if (init.mdns) localNetwork.start()
    },
    lost: kept.lost,
    async stop() {
      await Promise.all([kept.stop(), discovered.stop(), localNetwork.stop()])
    },
  }
}

/** Groups configured addresses by the peer that they name. */
function keptPeers(bootstrap: string[]): KeptPeer[] {
  const peers = new Map<string, string[]>()
  for (const address of bootstrap) {
    const peerId = peerIdOf(multiaddr(address))
    if (peerId !== undefined) peers.set(peerId, [...(peers.get(peerId) ?? []), address])
  }
  return [...peers].map(([peerId, multiaddrs]) => ({ peerId, multiaddrs }))
}
