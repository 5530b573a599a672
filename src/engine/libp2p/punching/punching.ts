import type { IdentifyResult } from '@libp2p/interface'
import type { Logger } from 'pino'
import type { Limits } from '../../../limits.ts'
import type { GossipLinks } from '../gossip/gossip-links.ts'
import type { Node } from '../node.ts'
import { createHandover } from './handover.ts'
import { createObservedAddresses, type ObservedAddresses } from './observed-addresses.ts'

/** What the hole punching of a node (`punch-service.ts`) keeps from start to start. */
export interface Punching extends Pick<ObservedAddresses, 'dialled' | 'all'> {
  /** A peer has identified itself on a connection. */
  identified(result: IdentifyResult): void
}

export function createPunching(
  init: { limits: Pick<Limits, 'requestTimeoutMs'> },
  components: { node(): Node | undefined; gossipLinks(): Pick<GossipLinks, 'leaveMeshes'> | undefined; logger: Logger },
): Punching {
  const { node, gossipLinks, logger } = components
  const observed = createObservedAddresses()
  const handover = createHandover(init, {
    connectionsTo: (peer) => node()?.getConnections(peer) ?? [],
    isLasting: (protocol) => node()?.services.pubsub.protocols.includes(protocol) === true,
    leaveMeshes: async (peerId) => await gossipLinks()?.leaveMeshes(peerId),
    logger,
  })
  return {
    dialled: observed.dialled,
    all: observed.all,
    identified(result) {
      observed.told(result)
      handover.answered(result)
    },
  }
}
