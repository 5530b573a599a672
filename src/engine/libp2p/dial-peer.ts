import type { Connection } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { AddressUnsupported, PeerBlocked, SelfDial } from '../../errors.ts'
import type { Counter } from '../../lib/counter.ts'
import { createDeadline } from '../../lib/deadline.ts'
import type { Limits } from '../../limits.ts'
import { parseMultiaddr, peerIdOf } from '../../model/peer.ts'
import type { BackOff } from '../dial/back-off.ts'
import { relayOf } from '../dial/circuit-address.ts'
import { withoutPeerId } from '../dial/endpoint.ts'
import { dialError } from '../dial/errors.ts'
import type { DialPolicy } from '../dial/policy.ts'
import type { ConnectedPeer, P2PEngine } from '../engine.ts'
import { addressProblem } from './addresses.ts'
import type { Introductions } from './introductions.ts'
import type { Node } from './node.ts'

/** The `dial` of the contract: opens a link, or returns the existing one. */
export function createDialPeer(
  init: { peerId: string; limits: Pick<Limits, 'dialTimeoutMs'> },
  components: {
    node(): Node | undefined
    policy: DialPolicy
    backOff: BackOff
    introductions: Introductions
    peerOf(peerId: string): ConnectedPeer | undefined
    blocked: ReadonlySet<string>
    letGo: Set<string>
    /** Peers that a client has just asked to dial, counted. */
    asked: Counter
  },
): P2PEngine['dial'] {
  const { peerId, limits } = init
  const { policy, backOff, introductions, peerOf, blocked, letGo, asked } = components

  return async function dial(address, { source, signal, isAsked = source === 'rest', isRemembered, asker }) {
    signal.throwIfAborted()
    const target = parseMultiaddr(address)
    const expected = peerIdOf(target)
    if (expected !== undefined && blocked.has(expected)) throw new PeerBlocked('This peer is blocked.')
    if (expected === peerId) throw new SelfDial('The address names this gateway itself.')
    const node = components.node()
    if (node === undefined) throw dialError(address, new Error('the node is not running'))
    const problem = addressProblem(target)
    if (problem !== undefined) throw new AddressUnsupported(`${address} is not dialled: ${problem}.`)
    const where = withoutPeerId(target)
    const relay = relayOf(target)
    const relayId = relay === undefined ? undefined : peerIdOf(relay)
    const socket = withoutPeerId(relay ?? target)
    policy.note(socket, source)
    if (isRemembered === true) policy.remembered(socket)
    const waitMs = expected === undefined || isAsked || peerOf(expected) !== undefined ? 0 : backOff.waitMs(expected)
    if (waitMs > 0)
      throw dialError(address, new Error(`the peer refused a link recently; the next dial is possible in ${Math.ceil(waitMs / 1_000)} s`))
    const isGiven = source === 'rest' || source === 'configured'
    using _through = isGiven ? policy.asking(where, asker) : undefined
    using _asking = isGiven ? policy.asking(socket, asker) : undefined
    // A request for a link through a relay is also one for a link to the relay.
    const wanted = isAsked ? [expected, relayId].filter((id) => id !== undefined) : []
    for (const id of wanted) asked.add(id)
    for (const id of [expected ?? '', ...wanted]) letGo.delete(id)
    try {
      const before = node.getConnections()
      const there = before.find(({ remoteAddr }) => expected === undefined && withoutPeerId(remoteAddr) === where)
      using deadline = createDeadline(limits.dialTimeoutMs, [signal])
      const connection = there ?? (await node.dial(target, { signal: deadline.signal }))
      await introductions.wait(connection, signal)
      const peer = peerOf(connection.remotePeer.toString())
      if (peer === undefined) throw new Error('the peer closed the link at once')
      letGo.delete(peer.peerId)
      return { ...peer, isThere: leadsTo(connection, target, !before.includes(connection)) }
    } catch (error) {
      signal.throwIfAborted()
      throw dialError(address, error)
    } finally {
      for (const id of wanted) asked.remove(id)
    }
  }
}

/**
 * Whether a dial of the address made the connection. A socket does not keep the name that it was dialled by, so a name
 * counts for a new connection only.
 */
function leadsTo({ direction, remoteAddr }: Connection, address: Multiaddr, isNew: boolean): boolean {
  if (direction !== 'outbound') return false
  const isName = address.getComponents()[0]?.name.startsWith('dns') === true
  return withoutPeerId(remoteAddr) === withoutPeerId(address) || (isNew && isName)
}
