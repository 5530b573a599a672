import type { IdentifyResult } from '@libp2p/interface'
import type { Logger } from 'pino'
import type { Limits } from '../../../limits.ts'
import type { EngineSettings } from '../../settings.ts'
import type { GossipLinks } from '../gossip/gossip-links.ts'
import type { Node } from '../node.ts'
import { createHandover } from './handover.ts'
import { createObservedAddresses, type ObservedAddresses } from './observed-addresses.ts'
import { punchProtocol } from './punch-service.ts'
import { createUdpObservation, listensOnQuic } from './udp-observation.ts'

/** What the hole punching of a node (`punch-service.ts`) keeps from start to start. */
export interface Punching extends Pick<ObservedAddresses, 'dialled' | 'all'> {
  /** A peer has identified itself on a connection. */
  identified(result: IdentifyResult): void
}

export function createPunching(
  init: { limits: Pick<Limits, 'requestTimeoutMs'> } & Pick<EngineSettings, 'listen' | 'privateNetworkKey'>,
  components: {
    node(): Node | undefined
    /** Whether this node is hidden, as far as it knows. */
    needsHoles(): boolean
    gossipLinks(): Pick<GossipLinks, 'leaveMeshes'> | undefined
    logger: Logger
  },
): Punching {
  const { node, needsHoles, gossipLinks, logger } = components
  const observed = createObservedAddresses()
  const hasQuic = init.privateNetworkKey === undefined && listensOnQuic(init.listen)
  const udp = createUdpObservation({ node, observed, isWanted: () => hasQuic && needsHoles(), logger })
  const handover = createHandover(init, {
    connectionsTo: (peer) => node()?.getConnections(peer) ?? [],
    isLasting: (protocol) => node()?.services.pubsub.protocols.includes(protocol) === true,
    leaveMeshes: async (peerId) => await gossipLinks()?.leaveMeshes(peerId),
    logger,
  })
  return {
    dialled: observed.dialled,
    // An attempt asks for them; the next one may have more.
    all() {
      udp.begin()
      return observed.all()
    },
    identified(result) {
      const { connection, protocols } = result
      observed.told(result)
      udp.identified(connection)
      if (!connection.direct && protocols.includes(punchProtocol)) udp.begin()
      handover.answered(result)
    },
  }
}
