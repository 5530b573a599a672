import { EventEmitter, once } from 'node:events'
import type { Logger } from 'pino'
import { PeerBlocked } from '../../errors.ts'
import type { Limits } from '../../limits.ts'
import { parseAddress, peerIdOf } from '../../model/peer.ts'
import { isCircuitAddress, relayOf } from '../circuit-address.ts'
import { dialError } from '../dial-errors.ts'
import type { DialGate } from '../dial-gate.ts'
import type { DialPolicy } from '../dial-policy.ts'
import { withoutPeerId } from '../endpoint.ts'
import type { ConnectedPeer, DialOptions } from '../engine.ts'
import { addressProblem } from './addresses.ts'
import type { Bootstrap } from './bootstrap.ts'
import { NotAsked } from './dht/lookup.ts'
import type { Link } from './link/link.ts'
import type { Links } from './link/links.ts'
import type { Meeting } from './link/meeting.ts'
import type { PeerRecord } from './overlay/overlay.ts'
import type { Reach } from './reach/reach.ts'

/** Who has a link with this node: who is dialled, whose socket becomes a link, and which link to a peer counts. */
export interface Connections {
  /** As the engine's `dial`. */
  dial(text: string, options: DialOptions): Promise<ConnectedPeer>
  /** Dials at addresses that other peers have told, one after another; answers whether there is a link then. */
  dialLearnt(peer: PeerRecord, signal: AbortSignal): Promise<boolean>
  /** A link for a question to a peer, at addresses that others have told. @throws NotAsked when none is wanted, Error when nobody answers */
  linkTo(peer: PeerRecord, signal: AbortSignal): Promise<Link>
  /** Takes a link whose peer has said hello. @throws PeerBlocked, or Error when it is not wanted */
  adopt(link: Link, pinned: boolean): Link
  /** A link has closed. Answers whether it was one that counted. */
  closed(link: Link): boolean
  /** Whether there is a link to the peer, or somebody wanted none. */
  isSettled(peerId: string): boolean
  /** Whether this node itself should dial a peer now. */
  isWanted(peerId: string): boolean
  hangUp(peerId: string): Promise<void>
  block(peerId: string): Promise<void>
  /** Answers whether it was blocked. */
  unblock(peerId: string): boolean
}

export interface ConnectionsComponents {
  links: Links
  meeting: Meeting
  policy: DialPolicy
  dialGate: DialGate
  bootstrap: Bootstrap
  reach(): Reach
  /** Fires when the node is stopped; undefined while it is. */
  stopping(): AbortSignal | undefined
  /** A link counts now. It may have `replaced` another to the same peer. */
  onLink(link: Link, options: { pinned: boolean; replaced: Link | undefined }): void
  /** Somebody has asked for a link that is there. */
  onPinned(link: Link): void
  log: Logger
}

/** The peer closed a link as soon as it was there: most often because it has another one with this node, which is on its way. */
class ClosedAtOnce extends Error {
  override readonly name = 'ClosedAtOnce'
}

/** Milliseconds to wait for the other one. */
const otherLinkMs = 1_000

export function createConnections(init: { peerId: string; limits: Limits }, components: ConnectionsComponents): Connections {
  const { peerId, limits } = init
  const { links, meeting, policy, dialGate, bootstrap, reach, stopping, onLink, onPinned, log } = components
  const blocked = new Set<string>()
  /** Peers that somebody hung up on: not dialled again by ourselves until somebody dials them. */
  const letGo = new Set<string>()
  /** Who waits for a link to a peer. */
  const arrivals = new EventEmitter()
  arrivals.setMaxListeners(0)

  function isSettled(other: string): boolean {
    return letGo.has(other) || links.get(other) !== undefined
  }

  function isWanted(other: string): boolean {
    if (stopping() === undefined || blocked.has(other) || other === peerId || isSettled(other)) return false
    return links.size < limits.maxConnections || bootstrap.has(other)
  }

  function refusalOf(link: Link): Error | undefined {
    const other = link.peerId
    if (stopping()?.aborted !== false) return new Error('the node is not running')
    if (link.isClosed) return new ClosedAtOnce('the peer closed the link at once')
    if (blocked.has(other)) return new PeerBlocked('This peer is blocked.')
    if (other === peerId) return new Error('that is this node itself')
    if (links.size < limits.maxConnections || links.get(other) !== undefined || bootstrap.has(other)) return undefined
    return new Error(`this gateway has ${limits.maxConnections} links, as many as PEERGATE_MAX_CONNECTIONS allows`)
  }

  function adopt(link: Link, pinned: boolean): Link {
    const refusal = refusalOf(link)
    if (refusal !== undefined) {
      link.close()
      throw refusal
    }
    const { kept: counted, replaced } = links.add(link)
    if (counted !== link) {
      link.close()
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
    } else replaced?.close()
    if (!link.isClosed) link.begin()
  }

  /** The dial itself, through a relay or not. */
  async function connect(text: string, { source, signal }: DialOptions): Promise<Link> {
    const address = parseAddress(text)
    const isAsked = source === 'rest' || source === 'configured'
    const expected = peerIdOf(address)
    const relay = relayOf(address)
    if (relay === undefined) {
      policy.note(withoutPeerId(address), source)
      return await dialGate.dial(address, signal, async (target) => adopt(await meeting.call(target, expected, signal), isAsked))
    }
    const over = await linkTo(relay.toString(), { source, signal })
    const target = expected ?? ''
    const socket = await reach().openCircuit(over, target, signal)
    const remote = withoutPeerId(address)
    return adopt(await meeting.callOver(socket, { expectedPeerId: target, remote }, signal), isAsked)
  }

  async function linkTo(text: string, options: DialOptions): Promise<Link> {
    const address = parseAddress(text)
    const expected = peerIdOf(address)
    const where = withoutPeerId(address)
    const there = expected === undefined ? [...links.all].find(({ remote }) => remote === where) : links.get(expected)
    // An asked-for direct address is tried although there is a link through a relay.
    if (there !== undefined && (!there.isRelayed || isCircuitAddress(address))) {
      if (options.source === 'rest' || options.source === 'configured') onPinned(there)
      return there
    }
    try {
      return await connect(text, options)
    } catch (error) {
      if (!(error instanceof ClosedAtOnce) || expected === undefined) throw error
      const deadline = AbortSignal.any([options.signal, AbortSignal.timeout(otherLinkMs)])
      const arrived =
        links.get(expected) ??
        (await once(arrivals, expected, { signal: deadline }).then(
          ([link]) => link,
          () => undefined,
        ))
      if (arrived === undefined) throw error
      return arrived
    }
  }

  async function dial(text: string, { source, signal }: DialOptions): Promise<ConnectedPeer> {
    signal.throwIfAborted()
    const address = parseAddress(text)
    const expected = peerIdOf(address)
    if (expected !== undefined && blocked.has(expected)) throw new PeerBlocked('This peer is blocked.')
    const stopped = stopping()
    if (stopped === undefined) throw dialError(text, new Error('the node is not running'))
    const problem = addressProblem(address)
    if (problem !== undefined) throw dialError(text, new Error(problem))
    try {
      const deadline = AbortSignal.any([signal, stopped, AbortSignal.timeout(limits.dialTimeoutMs)])
      const link = await linkTo(text, { source, signal: deadline })
      bootstrap.answered(withoutPeerId(address), link.peerId)
      letGo.delete(link.peerId)
      return link.view
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
        log.debug({ err, multiaddr: text }, 'a peer that was learnt of could not be dialled')
      }
    }
    return links.get(other) !== undefined
  }

  async function hangUp(other: string): Promise<void> {
    const link = links.get(other)
    if (link === undefined) return
    letGo.add(other)
    link.close()
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
    closed: (link) => links.remove(link),
    isSettled,
    isWanted,
    hangUp,
    async block(other) {
      blocked.add(other)
      await hangUp(other)
    },
    unblock(other) {
      if (!blocked.delete(other)) return false
      letGo.delete(other)
      return true
    },
  }
}
