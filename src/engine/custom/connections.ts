import { EventEmitter, once } from 'node:events'
import { SelfDial } from '../../errors.ts'
import type { Limits } from '../../limits.ts'
import type { Teller } from '../dial/tellers.ts'
import type { IdentityConflicts } from '../identity-conflicts.ts'
import type { LimitsReached } from '../limits-reached.ts'
import { ClosedAtOnce, createDials, type Dials, type DialsComponents } from './dials.ts'
import { type Goodbye, LinkRefused } from './link/goodbye.ts'
import { createInstances } from './link/instances.ts'
import type { Link } from './link/link.ts'
import { tellerOf } from './link/teller-of.ts'
import type { PeerRecord } from './overlay/overlay.ts'
import { blockedGoodbye, createRefusals, type Refusals } from './refusals.ts'

/**
 * The rules of links: which sockets become links, which of several links to a peer counts, and which peers are refused.
 */
export interface Connections extends Dials {
  readonly refusals: Refusals
  /** Takes a link whose peer has said hello. @throws PeerBlocked, or Error when it is not wanted */
  adopt(link: Link, pinned: boolean): Link
  /** `adopt` for an inbound link. First cuts a link to the same peer that has fallen silent. */
  welcome(link: Link): Promise<void>
  /** A link has closed. Returns whether it counted. */
  closed(link: Link): boolean
  /** Whether the peer is linked, or a user hung up on it. */
  isSettled(peerId: string): boolean
  /** Whether this node should dial a peer by itself now. False for a peer that refused it recently. */
  isWanted(peerId: string): boolean
  hangUp(peerId: string): Promise<void>
  block(peerId: string): Promise<void>
  /** Returns whether the peer was blocked. */
  unblock(peerId: string): boolean
}

export interface ConnectionsComponents
  extends Omit<DialsComponents, 'adopt' | 'arrival' | 'isBlocked' | 'isWanted' | 'onDialled' | 'onGoodbye'> {
  conflicts: IdentityConflicts
  /** This node's own instance, as in its hello. */
  instance(): string
  reached: LimitsReached
  /** A link counts now. It may have `replaced` another to the same peer. */
  onLink(link: Link, options: { pinned: boolean; replaced: Link | undefined }): void
  /** A peer that refused or ended a link suggests other peers. */
  onSuggested(peers: readonly PeerRecord[], by: Teller): void
}

export function createConnections(init: { peerId: string; limits: Limits }, components: ConnectionsComponents): Connections {
  const { peerId, limits } = init
  const { links, bootstrap, backOff, conflicts, instance, stopping } = components
  const { onLink, onPinned, onSuggested, reached, logger } = components
  const blocked = new Set<string>()
  /** Peers that a user hung up on. This node does not dial them by itself until a user dials them. */
  const letGo = new Set<string>()
  const instances = createInstances()
  const refusals = createRefusals(
    { peerId, maxConnections: limits.maxConnections },
    { links, instances, conflicts, instance, isBlocked: (other) => blocked.has(other), isConfigured: bootstrap.has, reached, logger },
  )
  /** Emits each new link under its peer id. */
  const arrivals = new EventEmitter()
  arrivals.setMaxListeners(0)
  const dials = createDials(init, {
    ...components,
    adopt,
    arrival,
    isBlocked: (other) => blocked.has(other),
    isWanted,
    onDialled: (other) => void letGo.delete(other),
    onGoodbye,
  })

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
      // The peer may have used this link for a moment and sent frames on it.
      link.begin()
      queueMicrotask(() => void link.giveWay())
      if (pinned) onPinned(counted)
      return counted
    }
    onLink(link, { pinned: pinned || bootstrap.has(link.peerId), replaced })
    void begin(link, replaced)
    arrivals.emit(link.peerId, link)
    return link
  }

  /** Takes the peer's frames on the replaced link first. A restarted peer sends nothing more on it. */
  async function begin(link: Link, replaced: Link | undefined): Promise<void> {
    if (replaced?.hello.instance === link.hello.instance) {
      await replaced.giveWay()
    } else if (replaced !== undefined) {
      instances.replaced(link.peerId, replaced.hello.instance)
      // Reaches the old instance only if it is still running.
      replaced.close({ reason: 'replaced', retryAfterMs: 0 })
    }
    if (!link.isClosed) link.begin()
  }

  /** Resolves with the link that counts to a peer; undefined when the signal fires first. */
  async function arrival(other: string, signal: AbortSignal): Promise<Link | undefined> {
    const there = links.get(other)
    if (there !== undefined) return there
    try {
      const [link] = await once(arrivals, other, { signal })
      return link
    } catch {
      return undefined
    }
  }

  /** A peer has refused a link, or ended one. */
  function onGoodbye(other: string, goodbye: Goodbye, by: Teller): void {
    const { reason } = goodbye
    backOff.refused(other, goodbye)
    if (reason === 'replaced' || reason === 'duplicate') conflicts.note({ peerId, multiaddrs: [], toldBy: other })
    if (goodbye.peers !== undefined) onSuggested(goodbye.peers, by)
  }

  async function hangUp(other: string, goodbye?: Goodbye): Promise<void> {
    const link = links.get(other)
    if (link === undefined) return
    letGo.add(other)
    link.close(goodbye)
    await link.closed
  }

  return {
    dial: dials.dial,
    dialLearnt: dials.dialLearnt,
    linkTo: dials.linkTo,
    told: dials.told,
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
    prove: dials.prove,
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
