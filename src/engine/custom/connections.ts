import { EventEmitter, once } from 'node:events'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Logger } from 'pino'
import { AddressUnsupported, PeerBlocked, SelfDial } from '../../errors.ts'
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
import type { IdentityConflicts } from '../identity-conflicts.ts'
import type { LimitsReached } from '../limits-reached.ts'
import { addressProblem } from './addresses.ts'
import type { Bootstrap } from './bootstrap.ts'
import { NotAsked } from './dht/lookup.ts'
import { type Goodbye, LinkRefused } from './link/goodbye.ts'
import { createInstances } from './link/instances.ts'
import type { Link } from './link/link.ts'
import type { LinkHandshake } from './link/link-handshake.ts'
import type { Links } from './link/links.ts'
import type { RecordSocket } from './link/record-socket.ts'
import { tellerOf } from './link/teller-of.ts'
import type { PeerRecord } from './overlay/overlay.ts'
import type { Reach } from './reach/reach.ts'
import { blockedGoodbye, createRefusals, type Refusals } from './refusals.ts'

/** Who has a link with this node: who is dialled, whose socket becomes a link, and which link to a peer counts. */
export interface Connections {
  /** As the engine's `dial`. */
  dial(text: string, options: DialOptions): Promise<DialledLink>
  /** Dials at addresses that other peers have told, one after another; answers whether there is a link then. */
  dialLearnt(peer: PeerRecord, signal: AbortSignal): Promise<boolean>
  /** A link for a question to a peer, at addresses that others have told. @throws NotAsked when none is wanted, Error when nobody answers */
  linkTo(peer: PeerRecord, signal: AbortSignal): Promise<Link>
  readonly refusals: Refusals
  /** Takes a link whose peer has said hello. @throws PeerBlocked, or Error when it is not wanted */
  adopt(link: Link, pinned: boolean): Link
  /** As `adopt`, of a link that a peer has opened. One to the same peer that fell silent is cut before: nothing comes on it any more. */
  welcome(link: Link): Promise<void>
  /** Proves that a peer answers at an address, beside the link to it. @throws Error when it does not */
  prove(text: string, signal: AbortSignal): Promise<void>
  /** A link has closed. Answers whether it was one that counted. */
  closed(link: Link): boolean
  /** Whether there is a link to the peer, or somebody wanted none. */
  isSettled(peerId: string): boolean
  /** Whether this node itself should dial a peer now: not one that refused it lately. */
  isWanted(peerId: string): boolean
  hangUp(peerId: string): Promise<void>
  block(peerId: string): Promise<void>
  /** Answers whether it was blocked. */
  unblock(peerId: string): boolean
}

export interface DialledLink {
  link: Link
  /** Whether the peer was found at the address that was dialled. */
  isThere: boolean
}

export interface ConnectionsComponents {
  links: Links
  meeting: LinkHandshake
  policy: DialPolicy
  dialGate: DialGate
  bootstrap: Bootstrap
  backOff: BackOff
  conflicts: IdentityConflicts
  /** This node's own, as it is in its hello. */
  instance(): string
  reach(): Reach
  /** Fires when the node is stopped; undefined while it is. */
  stopping(): AbortSignal | undefined
  reached: LimitsReached
  /** A link counts now. It may have `replaced` another to the same peer. */
  onLink(link: Link, options: { pinned: boolean; replaced: Link | undefined }): void
  /** Somebody has asked for a link that is there. */
  onPinned(link: Link): void
  /** A peer that refused a link, or ended it, names others. */
  onSuggested(peers: readonly PeerRecord[], by: Teller): void
  logger: Logger
}

/** The peer closed a link as soon as it was there: most often because it has another one with this node, which is on its way. */
class ClosedAtOnce extends Error {
  override readonly name = 'ClosedAtOnce'
}

/** Milliseconds to wait for the other one. */
const otherLinkMs = 1_000

export function createConnections(init: { peerId: string; limits: Limits }, components: ConnectionsComponents): Connections {
  const { peerId, limits } = init
  const { links, meeting, policy, dialGate, bootstrap, backOff, conflicts, instance, reach, stopping } = components
  const { onLink, onPinned, onSuggested, reached, logger } = components
  const blocked = new Set<string>()
  /** Peers that somebody hung up on: not dialled again by ourselves until somebody dials them. */
  const letGo = new Set<string>()
  const instances = createInstances()
  const refusals = createRefusals(
    { peerId, maxConnections: limits.maxConnections },
    { links, instances, conflicts, instance, isBlocked: (other) => blocked.has(other), isConfigured: bootstrap.has, reached, logger },
  )
  /** Who waits for a link to a peer. */
  const arrivals = new EventEmitter()
  arrivals.setMaxListeners(0)

  function isSettled(other: string): boolean {
    return letGo.has(other) || links.get(other) !== undefined
  }

  function isWanted(other: string): boolean {
    if (stopping() === undefined || blocked.has(other) || other === peerId || isSettled(other) || backOff.waitMs(other) > 0) return false
    return links.size < limits.maxConnections || bootstrap.has(other)
  }

  function refusalOf(link: Link): { error: Error; goodbye?: Goodbye } | undefined {
    if (stopping()?.aborted !== false) return { error: new Error('the node is not running') }
    if (link.peerId === peerId && link.hello.instance === instance()) return { error: new SelfDial('That is this node itself.') }
    if (link.isClosed) {
      if (link.goodbye !== undefined) return { error: new LinkRefused(link.peerId, link.goodbye) }
      return { error: new ClosedAtOnce('the peer closed the link at once') }
    }
    return refusals.of(link.peerId) ?? refusals.ofCrowd(link) ?? refusals.ofDuplicate(link)
  }

  function adopt(link: Link, pinned: boolean): Link {
    const refused = refusalOf(link)
    if (refused !== undefined) {
      link.close(refused.goodbye)
      throw refused.error
    }
    const { kept: counted, replaced } = links.add(link)
    if (counted !== link) {
      // The peer may have had it for a moment, and have sent something on it.
      link.begin()
      queueMicrotask(() => link.giveWay())
      if (pinned) onPinned(counted)
      return counted
    }
    onLink(link, { pinned: pinned || bootstrap.has(link.peerId), replaced })
    void begin(link, replaced)
    arrivals.emit(link.peerId, link)
    return link
  }

  /** What the peer sent on the link that gives way comes first; a peer that was started anew sends nothing more on it. */
  async function begin(link: Link, replaced: Link | undefined): Promise<void> {
    if (replaced?.hello.instance === link.hello.instance) {
      replaced.giveWay()
      await replaced.closed
    } else if (replaced !== undefined) {
      instances.replaced(link.peerId, replaced.hello.instance)
      // It hears this only if it is still there.
      replaced.close({ reason: 'replaced', retryAfterMs: 0 })
    }
    if (!link.isClosed) link.begin()
  }

  /** A peer has said that there is to be no link, now or any more. */
  function onGoodbye(other: string, goodbye: Goodbye, by: Teller): void {
    const { reason } = goodbye
    backOff.refused(other, goodbye)
    if (reason === 'replaced' || reason === 'duplicate') conflicts.note({ peerId, multiaddrs: [], toldBy: other })
    if (goodbye.peers !== undefined) onSuggested(goodbye.peers, by)
  }

  /** Has a link made to become one that counts; notes who refuses. */
  async function meet(where: string, by: Teller, isPinned: boolean, making: Promise<Link>): Promise<Link> {
    try {
      return adopt(await making, isPinned)
    } catch (error) {
      if (error instanceof LinkRefused) {
        // An address without a peer id goes by who answers there.
        bootstrap.answered(where, error.peerId)
        onGoodbye(error.peerId, error.goodbye, by)
      }
      throw error
    }
  }

  /** The dial itself, through a relay or not. */
  async function connect(text: string, { source, signal, isRemembered = false }: DialOptions): Promise<Link> {
    const address = parseAddress(text)
    const isPinned = source === 'rest' || source === 'configured'
    const expected = peerIdOf(address)
    const relay = relayOf(address)
    const where = withoutPeerId(address)
    using _asking = isPinned ? policy.asking(where) : undefined
    if (relay === undefined) {
      policy.note(where, source)
      if (isRemembered) policy.remembered(where)
      return await dialGate.dial(address, signal, (target) =>
        meet(where, { ip: target.ip, isRelayed: false }, isPinned, meeting.call(target, expected, signal)),
      )
    }
    return await dialThrough(relay, address, { source, signal, isRemembered }, async (socket, over) => {
      const making = meeting.callOver(socket, { expectedPeerId: expected ?? '', remote: where }, signal)
      return await meet(where, { ip: over.seenAt ?? '', isRelayed: true }, isPinned, making)
    })
  }

  /** Has a relay, which is linked before, open a circuit to the peer that the address names. */
  async function dialThrough<Result>(
    relay: Multiaddr,
    address: Multiaddr,
    options: DialOptions,
    use: (socket: RecordSocket, over: Link) => Promise<Result>,
  ): Promise<Result> {
    const { link: over } = await linkTo(relay.toString(), options)
    const peerId = peerIdOf(address) ?? ''
    return await dialGate.dialThrough(address, { relay: over.peerId, peerId }, async () =>
      use(await reach().openCircuit(over, peerId, options.signal), over),
    )
  }

  async function linkTo(text: string, options: DialOptions): Promise<DialledLink> {
    const address = parseAddress(text)
    const expected = peerIdOf(address)
    const where = withoutPeerId(address)
    const there = expected === undefined ? [...links.all].find(({ remote }) => remote === where) : links.get(expected)
    // An asked-for direct address is tried although there is a link through a relay.
    if (there !== undefined && (!there.isRelayed || isCircuitAddress(address))) {
      if (options.source === 'rest' || options.source === 'configured') onPinned(there)
      return { link: there, isThere: there.direction === 'outbound' && there.remote === where }
    }
    try {
      return { link: await connect(text, options), isThere: true }
    } catch (error) {
      if (!(error instanceof ClosedAtOnce) || expected === undefined) throw error
      const deadline = AbortSignal.any([options.signal, AbortSignal.timeout(otherLinkMs)])
      const arrived =
        links.get(expected) ??
        (await once(arrivals, expected, { signal: deadline }).then(
          ([link]) => link,
          () => undefined,
        ))
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
    if (expected !== undefined && blocked.has(expected)) throw new PeerBlocked('This peer is blocked.')
    if (expected === peerId) throw new SelfDial('The address names this gateway itself.')
    const stopped = stopping()
    if (stopped === undefined) throw dialError(text, new Error('the node is not running'))
    const problem = addressProblem(address)
    if (problem !== undefined) throw new AddressUnsupported(`${text} is not dialled: ${problem}.`)
    const { isAsked = options.source === 'rest' } = options
    const waitMs = expected === undefined || isAsked || links.get(expected) !== undefined ? 0 : backOff.waitMs(expected)
    if (waitMs > 0)
      throw dialError(text, new Error(`the peer refused a link lately, and is not dialled for ${Math.ceil(waitMs / 1_000)} s`))
    try {
      const deadline = AbortSignal.any([signal, stopped, AbortSignal.timeout(limits.dialTimeoutMs)])
      const dialled = await linkTo(text, { ...options, signal: deadline })
      if (dialled.isThere) bootstrap.answered(withoutPeerId(address), dialled.link.peerId)
      letGo.delete(dialled.link.peerId)
      return dialled
    } catch (error) {
      signal.throwIfAborted()
      throw error instanceof PeerBlocked ? error : dialError(text, error)
    }
  }

  async function dialLearnt({ peerId: other, multiaddrs }: PeerRecord, signal: AbortSignal): Promise<boolean> {
    for (const text of multiaddrs) {
      if (signal.aborted || !isWanted(other)) break
      try {
        const address = parseAddress(text)
        if (addressProblem(address) !== undefined || peerIdOf(address) !== other) continue
        await dial(text, { source: 'learnt', signal })
        return true
      } catch (err) {
        logger.debug({ err, multiaddr: text }, 'a peer that was learnt of could not be dialled')
      }
    }
    return links.get(other) !== undefined
  }

  async function hangUp(other: string, goodbye?: Goodbye): Promise<void> {
    const link = links.get(other)
    if (link === undefined) return
    letGo.add(other)
    link.close(goodbye)
    await link.closed
  }

  return {
    dial,
    dialLearnt,
    async linkTo(peer, signal) {
      if (!isWanted(peer.peerId)) throw new NotAsked('no link with this peer is wanted now')
      await dialLearnt(peer, signal)
      const link = links.get(peer.peerId)
      if (link === undefined) throw new Error('the peer could not be dialled')
      return link
    },
    adopt,
    refusals,
    async welcome(link) {
      const there = links.get(link.peerId)
      if (there !== undefined && performance.now() - there.heardAt > limits.doubtedLinkMs) {
        there.cut()
        await there.closed
      }
      adopt(link, false)
    },
    async prove(text, signal) {
      const address = parseAddress(text)
      const expected = peerIdOf(address) ?? ''
      const relay = relayOf(address)
      if (relay === undefined) await dialGate.dial(address, signal, (target) => meeting.probe(target, expected, signal))
      else await dialThrough(relay, address, { source: 'learnt', signal }, (socket) => meeting.probeOver(socket, expected, signal))
    },
    closed(link) {
      if (!links.remove(link)) return false
      if (link.goodbye === undefined) backOff.ended(link.peerId, performance.now() - link.openedAt)
      else onGoodbye(link.peerId, link.goodbye, tellerOf(link))
      return true
    },
    isSettled,
    isWanted,
    hangUp: (other) => hangUp(other),
    async block(other) {
      blocked.add(other)
      await hangUp(other, blockedGoodbye)
    },
    unblock(other) {
      if (!blocked.delete(other)) return false
      letGo.delete(other)
      return true
    },
  }
}
