import type { ConnectionGater, PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Logger } from 'pino'
import { isCrowded } from '../address-crowd.ts'
import { isCircuitAddress } from '../circuit-address.ts'
import { createSeldom, sayAgainMs } from '../seldom.ts'

/** Refused because this node has as many links as it may, in all or from one address. */
export class LinkLimitReached extends Error {
  override readonly name = 'LinkLimitReached'
}

/**
 * Who may have a link: nobody who is blocked, and nobody but configured peers beyond the limit. libp2p counts inbound connections only, and its pruner spares
 * every connection that has a stream of gossip, so that dials of our own would go beyond any limit. Links that come in and reservations at
 * the relay are shared by address; configured peers are not held to a share.
 */
export function createGater(
  init: { maxConnections: number; maxRelayReservations: number },
  components: {
    blocked: ReadonlySet<string>
    /** Peers that libp2p itself may not dial. */
    letGo: ReadonlySet<string>
    /** Whether a peer that refused links lately is left alone for now. */
    isAvoided: (peerId: string) => boolean
    isProtected: (peerId: string) => boolean
    connections: () => ReadonlyArray<{ direction: 'inbound' | 'outbound'; remoteAddr: Multiaddr; remotePeer: PeerId }>
    /** Reservations at this node's relay. */
    reservations: () => ReadonlyArray<{ peerId: string; address: Multiaddr }>
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
    if (components.connections().length < init.maxConnections || components.isProtected(peerId.toString())) return false
    refused(peerId, 'this gateway has as many links as it may')
    throw new LinkLimitReached(`this gateway has ${init.maxConnections} links, as many as PEERGATE_MAX_CONNECTIONS allows`)
  }

  function checkCrowd(peerId: PeerId, address: Multiaddr): boolean {
    const ip = ipOf(address)
    if (ip === undefined || components.isProtected(peerId.toString())) return false
    const held = components.connections().map((each) => (each.direction === 'inbound' ? ipOf(each.remoteAddr) : undefined))
    if (!isCrowded(ip, { max: init.maxConnections, held })) return false
    refused(peerId, 'as many peers of its address have links as may')
    throw new LinkLimitReached('as many peers of this address have links as may')
  }

  /** A reservation is renewed whatever the shares, and outlives the link, so that new peer ids make no room. */
  function denyReservation(peerId: PeerId): boolean {
    const reservations = components.reservations()
    const id = peerId.toString()
    if (components.isProtected(id) || reservations.some((each) => each.peerId === id)) return false
    const ips = components.connections().flatMap((each) => (each.remotePeer.equals(peerId) ? (ipOf(each.remoteAddr) ?? []) : []))
    const held = reservations.map(({ address }) => ipOf(address))
    return (
      ips.some((ip) => isCrowded(ip, { max: init.maxRelayReservations, held })) &&
      refused(peerId, 'its address has its share of the reservations at this relay')
    )
  }

  return {
    denyDialPeer: (peerId) => isBlocked(peerId) || components.letGo.has(peerId.toString()) || components.isAvoided(peerId.toString()),
    denyInboundRelayedConnection: (_relay, peer) => refuseBlocked(peer),
    denyInboundEncryptedConnection: refuseBlocked,
    denyOutboundEncryptedConnection: isBlocked,
    denyInboundUpgradedConnection: (peerId, { remoteAddr }) => checkRoom(peerId) || checkCrowd(peerId, remoteAddr),
    denyInboundRelayReservation: denyReservation,
    denyOutboundUpgradedConnection: checkRoom,
  }
}

/** Where a peer is seen; undefined through a relay, whose address is not the peer's. */
function ipOf(address: Multiaddr): string | undefined {
  return isCircuitAddress(address) ? undefined : address.getComponents()[0]?.value
}
