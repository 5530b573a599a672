import type { Multiaddr } from '@multiformats/multiaddr'
import type { Logger } from 'pino'
import { AddressUnsupported, PeerBlocked, SelfDial } from '../../errors.ts'
import { createDeadline } from '../../lib/deadline.ts'
import type { Limits } from '../../limits.ts'
import { parseAddress, peerIdOf } from '../../model/peer.ts'
import type { BackOff } from '../dial/back-off.ts'
import { isCircuitAddress, relayOf } from '../dial/circuit-address.ts'
import { withoutPeerId } from '../dial/endpoint.ts'
import { dialError } from '../dial/errors.ts'
import type { DialGate } from '../dial/gate.ts'
import type { DialPolicy } from '../dial/policy.ts'
import type { Teller } from '../dial/tellers.ts'
import type { DialOptions } from '../engine.ts'
import { addressProblem } from './addresses.ts'
import type { Bootstrap } from './bootstrap.ts'
import { NotAsked } from './dht/lookup.ts'
import { createLearntDials, type LearntDials } from './learnt-dials.ts'
import { type Goodbye, LinkRefused } from './link/goodbye.ts'
import type { Link } from './link/link.ts'
import type { LinkHandshake } from './link/link-handshake.ts'
import type { Links } from './link/links.ts'
import type { RecordSocket } from './link/record-socket.ts'
import type { PeerRecord } from './overlay/overlay.ts'
import type { Reach } from './reach/reach.ts'

/**
 * The dials of this node, direct and through relays: from an address to a link. Which link counts is decided in
 * connections.ts.
 */
export interface Dials {
  /** Implements the engine's `dial`. */
  dial(text: string, options: DialOptions): Promise<DialledLink>
  /** Dials addresses that other peers have told. Returns whether the peer is linked afterwards. */
  dialLearnt: LearntDials['dial']
  /** Other peers have told addresses. */
  told: LearntDials['told']
  /**
   * A link for a request to a peer, dialled at addresses that other peers have told.
   * @throws NotAsked when no link is wanted, Error when the peer does not answer
   */
  linkTo(peer: PeerRecord, signal: AbortSignal): Promise<Link>
  /** Proves that a peer answers at an address, without touching the link to it. @throws Error when it does not */
  prove(text: string, signal: AbortSignal): Promise<void>
}

export interface DialledLink {
  link: Link
  /** Whether the peer answered at the dialled address. */
  isThere: boolean
}

export interface DialsComponents {
  links: Links
  meeting: LinkHandshake
  policy: DialPolicy
  dialGate: DialGate
  bootstrap: Bootstrap
  backOff: BackOff
  reach(): Reach
  /** Fires when the node is stopped; undefined while it is. */
  stopping(): AbortSignal | undefined
  /** Takes a link whose peer has said hello. @throws Error when it is not wanted */
  adopt(link: Link, pinned: boolean): Link
  /** Resolves with the link that counts to a peer; undefined when the signal fires first. */
  arrival(peerId: string, signal: AbortSignal): Promise<Link | undefined>
  isBlocked(peerId: string): boolean
  isWanted(peerId: string): boolean
  /** A dial led to a link with this peer. */
  onDialled(peerId: string): void
  /** A user or the configuration asked for a link that exists already. */
  onPinned(link: Link): void
  onGoodbye(peerId: string, goodbye: Goodbye, by: Teller): void
  logger: Logger
}

/** The peer closed a link at once. Usually it has another link with this node, which is about to arrive. */
export class ClosedAtOnce extends Error {
  override readonly name = 'ClosedAtOnce'
}

/** Milliseconds to wait for that other link. */
const otherLinkMs = 1_000

export function createDials(init: { peerId: string; limits: Pick<Limits, 'dialTimeoutMs'> }, components: DialsComponents): Dials {
  const { peerId, limits } = init
  const { links, meeting, policy, dialGate, bootstrap, backOff, reach, stopping, onPinned, logger } = components
  const { adopt, arrival, isBlocked, isWanted, onDialled, onGoodbye } = components

  /** Adopts a link once it is made; notes a peer that refuses. */
  async function meet(where: string, by: Teller, isPinned: boolean, making: Promise<Link>): Promise<Link> {
    try {
      return adopt(await making, isPinned)
    } catch (error) {
      if (error instanceof LinkRefused) {
        // A configured address without a peer id gets the peer id that answers there.
        bootstrap.answered(where, error.peerId)
        onGoodbye(error.peerId, error.goodbye, by)
      }
      throw error
    }
  }

  /** Dials directly or through a relay. */
  async function connect(text: string, { source, signal, isRemembered = false, asker }: DialOptions): Promise<Link> {
    const address = parseAddress(text)
    const isPinned = source === 'rest' || source === 'configured'
    const expected = peerIdOf(address)
    const relay = relayOf(address)
    const where = withoutPeerId(address)
    using _asking = isPinned ? policy.asking(where, asker) : undefined
    if (relay === undefined) {
      policy.note(where, source)
      if (isRemembered) policy.remembered(where)
      return await dialGate.dial(address, signal, (target) =>
        meet(where, { ip: target.ip, isRelayed: false }, isPinned, meeting.call(target, expected, signal)),
      )
    }
    return await dialThrough(relay, address, { source, signal, isRemembered, asker }, async (socket, over) => {
      const making = meeting.callOver(socket, { expectedPeerId: expected ?? '', remote: where }, signal)
      return await meet(where, { ip: over.seenAt ?? '', isRelayed: true }, isPinned, making)
    })
  }

  /** Dials the relay unless it is linked, and opens a circuit through it to the peer that the address names. */
  async function dialThrough<Result>(
    relay: Multiaddr,
    address: Multiaddr,
    options: DialOptions,
    use: (socket: RecordSocket, over: Link) => Promise<Result>,
  ): Promise<Result> {
    const { link: over } = await linkAt(relay.toString(), options)
    const peerId = peerIdOf(address) ?? ''
    return await dialGate.dialThrough(address, { relay: over.peerId, peerId }, async () =>
      use(await reach().openCircuit(over, peerId, options.signal), over),
    )
  }

  async function linkAt(text: string, options: DialOptions): Promise<DialledLink> {
    const address = parseAddress(text)
    const expected = peerIdOf(address)
    const where = withoutPeerId(address)
    const there = expected === undefined ? [...links.all].find(({ remote }) => remote === where) : links.get(expected)
    // A direct address is tried although a relayed link exists.
    if (there !== undefined && (!there.isRelayed || isCircuitAddress(address))) {
      if (options.source === 'rest' || options.source === 'configured') onPinned(there)
      return { link: there, isThere: there.direction === 'outbound' && there.remote === where }
    }
    try {
      return { link: await connect(text, options), isThere: true }
    } catch (error) {
      if (!(error instanceof ClosedAtOnce) || expected === undefined) throw error
      using deadline = createDeadline(otherLinkMs, [options.signal])
      const arrived = await arrival(expected, deadline.signal)
      if (arrived !== undefined) return { link: arrived, isThere: true }
      backOff.refused(expected)
      throw error
    }
  }

  async function dial(text: string, options: DialOptions): Promise<DialledLink> {
    const { signal } = options
    signal.throwIfAborted()
    const address = parseAddress(text)
    const expected = peerIdOf(address)
    if (expected !== undefined && isBlocked(expected)) throw new PeerBlocked('This peer is blocked.')
    if (expected === peerId) throw new SelfDial('The address names this gateway itself.')
    const stopped = stopping()
    if (stopped === undefined) throw dialError(text, new Error('the node is not running'))
    const problem = addressProblem(address)
    if (problem !== undefined) throw new AddressUnsupported(`${text} is not dialled: ${problem}.`)
    const { isAsked = options.source === 'rest' } = options
    const waitMs = expected === undefined || isAsked || links.get(expected) !== undefined ? 0 : backOff.waitMs(expected)
    if (waitMs > 0)
      throw dialError(text, new Error(`the peer refused a link lately, and is not dialled for ${Math.ceil(waitMs / 1_000)} s`))
    using deadline = createDeadline(limits.dialTimeoutMs, [signal, stopped])
    try {
      const dialled = await linkAt(text, { ...options, signal: deadline.signal })
      if (dialled.isThere) bootstrap.answered(withoutPeerId(address), dialled.link.peerId)
      onDialled(dialled.link.peerId)
      return dialled
    } catch (error) {
      signal.throwIfAborted()
      throw error instanceof PeerBlocked ? error : dialError(text, error)
    }
  }

  const learnt = createLearntDials({
    async dial(other, text, signal) {
      const address = parseAddress(text)
      if (addressProblem(address) !== undefined || peerIdOf(address) !== other) throw new Error('it is not an address of the peer')
      await dial(text, { source: 'learnt', signal })
    },
    isLinked: (other) => links.get(other) !== undefined,
    isWanted,
    logger,
  })

  return {
    dial,
    dialLearnt: learnt.dial,
    told: learnt.told,
    async linkTo(peer, signal) {
      if (!isWanted(peer.peerId)) throw new NotAsked('this node wants no link with this peer now')
      await learnt.dial(peer, signal)
      const link = links.get(peer.peerId)
      if (link === undefined) throw new Error('could not dial the peer')
      return link
    },
    async prove(text, signal) {
      const address = parseAddress(text)
      const expected = peerIdOf(address) ?? ''
      const relay = relayOf(address)
      if (relay === undefined) await dialGate.dial(address, signal, (target) => meeting.probe(target, expected, signal))
      else await dialThrough(relay, address, { source: 'learnt', signal }, (socket) => meeting.probeOver(socket, expected, signal))
    },
  }
}
