import type { Connection } from '@libp2p/interface'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import type { Logger } from 'pino'
import { createDeadline, orAborted } from '../../../lib/deadline.ts'
import { endpointOf, withoutPeerId } from '../../dial/endpoint.ts'
import { isLoopbackAddress } from '../../dial/policy.ts'
import type { Node } from '../node.ts'
import { seenAtOf } from '../teller-of.ts'
import { type ObservedAddresses, punchTransportOf } from './observed-addresses.ts'

/**
 * Has a peer on the Internet tell where it sees the UDP port from which this node punches, where all links to such peers
 * are of TCP: a node dials one address of each peer, and TCP first. A connection of QUIC is opened beside such a link, and
 * ends as soon as its peer has identified itself. No gossip depends on it.
 */
export interface UdpObservation {
  /** A hole may be punched soon. Returns at once; what comes of it counts for the next attempt. */
  begin(): void
  /** A peer has identified itself on a connection. */
  identified(connection: Connection): void
}

/** Milliseconds for a connection and what its peer tells. */
const observeMs = 5_000
/** Milliseconds between observations: a router forgets a port from which nothing is sent. Attempts to punch come in threes. */
const againMs = 15_000
/** After one that has failed. */
const failedMs = 60_000
/** Peers that are asked, one after another, until one has told. */
const maxPeers = 2

export function createUdpObservation(components: {
  node(): Pick<Node, 'getConnections' | 'dial' | 'peerStore'> | undefined
  observed: Pick<ObservedAddresses, 'isFromOwnPort'>
  /** Whether this node punches, and listens on a QUIC address at which a hole can lead to it. */
  isWanted(): boolean
  logger: Logger
  now?: () => number
}): UdpObservation {
  const { node, observed, isWanted, logger, now = () => performance.now() } = components
  const told = new WeakMap<Connection, PromiseWithResolvers<void>>()
  let notBefore = Number.NEGATIVE_INFINITY
  let isInProgress = false

  function toldOn(connection: Connection): PromiseWithResolvers<void> {
    const known = told.get(connection) ?? Promise.withResolvers<void>()
    told.set(connection, known)
    return known
  }

  /** Whether a link shows the port: its peer tells by itself. */
  function isShown(connections: Connection[]): boolean {
    return connections.some((each) => observed.isFromOwnPort(each) && punchTransportOf(each.remoteAddr) === 'udp')
  }

  /** Addresses of QUIC, one for each peer on the Internet that this node has dialled. */
  async function candidates(connections: Connection[]): Promise<Multiaddr[]> {
    const found: Multiaddr[] = []
    const dialled = connections.filter(({ direct, direction, remoteAddr }) => direct && direction === 'outbound' && seenAtOf(remoteAddr))
    for (const remotePeer of new Map(dialled.map((each) => [each.remotePeer.toString(), each.remotePeer])).values()) {
      const known = await node()
        ?.peerStore.get(remotePeer)
        .catch(() => undefined)
      const quic = known?.addresses.map((each) => each.multiaddr).find((address) => punchTransportOf(address) === 'udp')
      if (quic !== undefined) found.push(multiaddr(`${withoutPeerId(quic)}/p2p/${remotePeer}`))
      if (found.length === maxPeers) break
    }
    return found
  }

  async function ask(address: Multiaddr): Promise<void> {
    using deadline = createDeadline(observeMs, [])
    const { signal } = deadline
    const connection = await node()?.dial(address, { signal, force: true })
    if (connection === undefined) throw new Error('the node is not running')
    try {
      await orAborted(toldOn(connection).promise, signal)
      if (!observed.isFromOwnPort(connection)) throw new Error('the connection left from another port')
    } finally {
      connection.abort(new Error('the connection was opened only to learn where the peer sees this node'))
    }
  }

  async function observe(connections: Connection[]): Promise<boolean> {
    for (const address of await candidates(connections)) {
      try {
        await ask(address)
        return true
      } catch (err) {
        logger.debug({ err, address: address.toString() }, 'a peer has not told where it sees the UDP port of this node')
      }
    }
    return false
  }

  return {
    begin() {
      const connections =
        node()
          ?.getConnections()
          .filter(({ status }) => status === 'open') ?? []
      if (isInProgress || now() < notBefore || !isWanted() || isShown(connections)) return
      isInProgress = true
      void observe(connections)
        .catch(() => false)
        .then((isObserved) => {
          notBefore = now() + (isObserved ? againMs : failedMs)
          isInProgress = false
        })
    },
    identified: (connection) => toldOn(connection).resolve(),
  }
}

/** Whether others can punch a hole to one of these addresses by QUIC. A socket on loopback reaches nobody else. */
export function listensOnQuic(listen: string[]): boolean {
  return listen.some((text) => {
    const address = multiaddr(text)
    return endpointOf(address)?.form === 'quic' && !isLoopbackAddress(address.getComponents()[0]?.value ?? '')
  })
}
