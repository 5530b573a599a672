import type { ConnectionGater, PeerId } from '@libp2p/interface'

/** Refused because this node has as many links as it may. */
export class LinkLimitReached extends Error {
  override readonly name = 'LinkLimitReached'
}

/**
 * Who may have a link: nobody who is blocked, and nobody but configured peers beyond the limit. libp2p counts inbound connections only, and its pruner spares
 * every connection that has a stream of gossip, so that dials of our own would go beyond any limit.
 */
export function createGater(
  init: { maxConnections: number },
  components: {
    blocked: ReadonlySet<string>
    /** Peers that libp2p itself may not dial. */
    letGo: ReadonlySet<string>
    isProtected: (peerId: string) => boolean
    connections: () => number
  },
): ConnectionGater {
  const isBlocked = (peerId: PeerId) => components.blocked.has(peerId.toString())

  function checkRoom(peerId: PeerId): boolean {
    if (components.connections() < init.maxConnections || components.isProtected(peerId.toString())) return false
    throw new LinkLimitReached(`this gateway has ${init.maxConnections} links, as many as PEERGATE_MAX_CONNECTIONS allows`)
  }

  return {
    denyDialPeer: (peerId) => isBlocked(peerId) || components.letGo.has(peerId.toString()),
    denyInboundRelayedConnection: (_relay, peer) => isBlocked(peer),
    denyInboundEncryptedConnection: isBlocked,
    denyOutboundEncryptedConnection: isBlocked,
    denyInboundUpgradedConnection: checkRoom,
    denyOutboundUpgradedConnection: checkRoom,
  }
}
