import type { ConnectionGater, PeerId } from '@libp2p/interface'
import type { Logger } from 'pino'
import { createSeldom, sayAgainMs } from '../seldom.ts'

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
    /** Whether a peer that refused links lately is left alone for now. */
    isAvoided: (peerId: string) => boolean
    isProtected: (peerId: string) => boolean
    connections: () => number
    log: Logger
  },
): ConnectionGater {
  const { log } = components
  const isDue = createSeldom({ everyMs: sayAgainMs })
  const isBlocked = (peerId: PeerId) => components.blocked.has(peerId.toString())

  /** A peer tries again and again: one line in a while is enough. */
  function refused(peerId: PeerId, reason: string): true {
    if (isDue(peerId.toString())) log.info({ peerId: peerId.toString(), reason }, 'a peer was refused; it may try again and again')
    return true
  }

  function refuseBlocked(peerId: PeerId): boolean {
    return isBlocked(peerId) && refused(peerId, 'it is blocked')
  }

  function checkRoom(peerId: PeerId): boolean {
    if (components.connections() < init.maxConnections || components.isProtected(peerId.toString())) return false
    refused(peerId, 'this gateway has as many links as it may')
    throw new LinkLimitReached(`this gateway has ${init.maxConnections} links, as many as PEERGATE_MAX_CONNECTIONS allows`)
  }

  return {
    denyDialPeer: (peerId) => isBlocked(peerId) || components.letGo.has(peerId.toString()) || components.isAvoided(peerId.toString()),
    denyInboundRelayedConnection: (_relay, peer) => refuseBlocked(peer),
    denyInboundEncryptedConnection: refuseBlocked,
    denyOutboundEncryptedConnection: isBlocked,
    denyInboundUpgradedConnection: checkRoom,
    denyOutboundUpgradedConnection: checkRoom,
  }
}
