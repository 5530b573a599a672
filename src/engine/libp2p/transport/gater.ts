import type { Connection, ConnectionGater, MultiaddrConnection, PeerId } from '@libp2p/interface'
import type { Logger } from 'pino'
import { createSeldom, sayAgainMs } from '../../../lib/seldom.ts'
import { crowdRefusal, holderOf } from '../../crowds.ts'
import { hostOf } from '../../dial/policy.ts'
import { createHalfOpen, type HalfOpenInit } from '../../half-open.ts'
import type { LimitsReached } from '../../limits-reached.ts'
import { seenAtOf, tellerOf } from '../teller-of.ts'
import { createNegotiations } from './negotiations.ts'

/** Refused because this node, or the peer's address, has reached its limit of links. */
export class LinkLimitReached extends Error {
  override readonly name = 'LinkLimitReached'
}

/** Ended before its peer had proved who it is. */
class GaveWay extends Error {
  override readonly name = 'GaveWay'
}

/**
 * Decides which peers may have a link, and bounds how they negotiate one: no blocked peer, and beyond the limit, or their
 * address's share of it, only configured peers. libp2p counts only inbound connections, and its pruner spares every
 * connection with a gossip stream, so this node's own dials would exceed any limit.
 */
export function createGater(
  init: HalfOpenInit,
  components: {
    blocked: ReadonlySet<string>
    /** Peers that libp2p itself may not dial. */
    letGo: ReadonlySet<string>
    /** Whether a peer is not dialled for now because it refused links recently. */
    isAvoided: (peerId: string) => boolean
    isProtected: (peerId: string) => boolean
    connections: () => Array<Pick<Connection, 'remoteAddr' | 'direction'>>
    reached: LimitsReached
    logger: Logger
  },
): ConnectionGater {
  const { reached, logger } = components
  const negotiations = createNegotiations({ onFlood: () => reached.note('frame_flood') })
  const halfOpen = createHalfOpen(init, { reached })
  const places = new WeakMap<object, Disposable>()
  const isDue = createSeldom({ everyMs: sayAgainMs })
  const isBlocked = (peerId: PeerId) => components.blocked.has(peerId.toString())

  /** Limits log lines: a refused peer retries often. */
  function refused(peerId: PeerId, reason: string): true {
    if (isDue(peerId.toString())) logger.info({ peerId: peerId.toString(), reason }, 'refused a peer, which may keep trying')
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

  /** Inbound connections: an address (for IPv6 a /64) has at most a quarter of the links while others have any. */
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

  function begin(connection: MultiaddrConnection): false {
    negotiations.begin(connection)
    return false
  }

  /** A connection has a place until its peer is known, or it ends. */
  function enter(connection: MultiaddrConnection): boolean {
    const place = halfOpen.enter(sourceOf(connection), () => connection.abort(new GaveWay('others need its place')))
    if (place === undefined) return true
    places.set(connection, place)
    connection.addEventListener('close', () => place[Symbol.dispose](), { once: true })
    return begin(connection)
  }

  return {
    denyInboundConnection: enter,
    denyOutboundConnection: (_peerId, connection) => begin(connection),
    denyDialPeer: (peerId) => isBlocked(peerId) || components.letGo.has(peerId.toString()) || components.isAvoided(peerId.toString()),
    denyInboundRelayedConnection: (_relay, peer) => refuseBlocked(peer),
    denyInboundEncryptedConnection: refuseBlocked,
    denyOutboundEncryptedConnection: isBlocked,
    denyInboundUpgradedConnection(peerId, connection) {
      places.get(connection)?.[Symbol.dispose]()
      negotiations.end(connection)
      return checkRoom(peerId) || checkCrowd(peerId, connection)
    },
    denyOutboundUpgradedConnection(peerId, connection) {
      negotiations.end(connection)
      return checkRoom(peerId)
    },
  }
}

/** The key of the address that a connection comes from; for a relayed one, of the relay's. */
function sourceOf(connection: MultiaddrConnection): string {
  const { ip, isRelayed } = tellerOf(connection)
  return `${hostOf(ip)}${isRelayed ? ' relayed' : ''}`
}
