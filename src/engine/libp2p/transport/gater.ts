import type { Connection, ConnectionGater, MultiaddrConnection, PeerId } from '@libp2p/interface'
import type { Logger } from 'pino'
import { createSeldom, sayAgainMs } from '../../../lib/seldom.ts'
import { crowdRefusal, holderOf } from '../../crowds.ts'
import type { LimitsReached } from '../../limits-reached.ts'
import { seenAtOf } from '../teller-of.ts'

/** Refused because this node, or the peer's address, has as many links as it may. */
export class LinkLimitReached extends Error {
  override readonly name = 'LinkLimitReached'
}

/**
 * Who may have a link: nobody who is blocked, and nobody but configured peers beyond the limit, or beyond their address's share of it. libp2p counts inbound connections only, and its pruner spares
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
    connections: () => Array<Pick<Connection, 'remoteAddr' | 'direction'>>
    reached: LimitsReached
    logger: Logger
  },
): ConnectionGater {
  const { reached, logger } = components
  const isDue = createSeldom({ everyMs: sayAgainMs })
  const isBlocked = (peerId: PeerId) => components.blocked.has(peerId.toString())

  /** A peer tries again and again: one line in a while is enough. */
  function refused(peerId: PeerId, reason: string): true {
    if (isDue(peerId.toString())) logger.info({ peerId: peerId.toString(), reason }, 'a peer was refused; it may try again and again')
    return true
  }

  function refuseBlocked(peerId: PeerId): boolean {
    return isBlocked(peerId) && refused(peerId, 'it is blocked')
  }

  function checkRoom(peerId: PeerId): boolean {
    if (components.connections().length < init.maxConnections || components.isProtected(peerId.toString())) return false
    refused(peerId, 'this gateway has reached its maximum number of links')
    reached.note('link')
    throw new LinkLimitReached(`this gateway has reached PEERGATE_MAX_CONNECTIONS, ${init.maxConnections} links`)
  }

  /** Of a connection that comes in: an address, of IPv6 a /64, has at most a quarter of the links while there are others. */
  function checkCrowd(peerId: PeerId, { remoteAddr }: Pick<MultiaddrConnection, 'remoteAddr'>): boolean {
    const seenAt = seenAtOf(remoteAddr)
    if (seenAt === undefined || components.isProtected(peerId.toString())) return false
    const held = components
      .connections()
      .map((each) => holderOf({ peerId: 'others', seenAt: each.direction === 'inbound' ? seenAtOf(each.remoteAddr) : undefined }))
    if (crowdRefusal(holderOf({ peerId: peerId.toString(), seenAt }), held, { max: init.maxConnections }) !== 'share') return false
    refused(peerId, 'the peers at its address have reached their share of links')
    reached.note('link_share')
    throw new LinkLimitReached('the peers at this address have reached their share of links')
  }

  return {
    denyDialPeer: (peerId) => isBlocked(peerId) || components.letGo.has(peerId.toString()) || components.isAvoided(peerId.toString()),
    denyInboundRelayedConnection: (_relay, peer) => refuseBlocked(peer),
    denyInboundEncryptedConnection: refuseBlocked,
    denyOutboundEncryptedConnection: isBlocked,
    denyInboundUpgradedConnection: (peerId, connection) => checkRoom(peerId) || checkCrowd(peerId, connection),
    denyOutboundUpgradedConnection: checkRoom,
  }
}
