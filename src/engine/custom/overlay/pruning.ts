import type { Broadcast } from './broadcast.ts'
import type { OverlayLimits } from './limits.ts'
import type { Link, Links } from './links.ts'
import type { HangUpReason } from './overlay.ts'
import { pick } from './partial-view.ts'
import type { View } from './view.ts'

/** Decides which links are hung up: those without a role, and one when there are too many. */
export interface Pruning {
  /**
   * Hangs up one link when there are too many, in all or inbound. Keeps proven peers first, then peers in a view, then
   * eager neighbours. Of the rest, a random one of the younger half goes: newcomers displace newcomers only.
   */
  makeRoom(): void
  hangUpIdle(): void
}

/** Maximum share of inbound links, so that they leave places for the dials of this node. */
const inboundShare = 0.75

/** Milliseconds for which a new link is not hung up to make room, since it may find a role. */
const settleMs = 2_000

export function createPruning(
  { limits }: { limits: OverlayLimits },
  components: {
    now(): number
    random(): number
    links: Links
    broadcast: Pick<Broadcast, 'spare'>
    /** The views of all peers and of topics. */
    views(): Iterable<View>
    hangUp(link: Link, why: HangUpReason): void
  },
): Pruning {
  const { now, random, links, broadcast, views, hangUp } = components

  /**
   * The links that are in no view. There may be thousands of views: each is looked at once for all links, and the first
   * few usually suffice.
   */
  function outsideViews(of: Link[]): Link[] {
    const outside = new Set(of.map(({ peerId }) => peerId))
    for (const view of views()) {
      if (outside.size === 0) return []
      view.spare(outside)
    }
    return of.filter(({ peerId }) => outside.has(peerId))
  }

  function withoutMessages(of: Link[]): Link[] {
    const left = new Set(of.map(({ peerId }) => peerId))
    broadcast.spare(left)
    return of.filter(({ peerId }) => left.has(peerId))
  }

  return {
    makeRoom() {
      const all = [...links.all()]
      const inbound = all.filter(({ direction }) => direction === 'inbound')
      const isCrowded = inbound.length > Math.ceil(inboundShare * limits.maxLinks)
      if (links.size <= limits.maxLinks && !isCrowded) return
      const others = (isCrowded ? inbound : all).filter(({ peerId, pinned }) => !pinned && !links.isProven(peerId))
      const settled = others.filter(({ since }) => since <= now() - settleMs)
      const free = outsideViews(settled.length > 0 ? settled : others)
      const idle = withoutMessages(free)
      const spare = idle.length > 0 ? idle : free.length > 0 ? free : others
      // Links are ordered by age, the oldest first.
      const victim = pick(spare.slice(Math.floor(spare.length / 2)), random)
      if (victim !== undefined) hangUp(victim, 'full')
    },
    hangUpIdle() {
      const until = now() - limits.idleLinkMs
      const anchors = new Set(links.latestProven(limits.anchors))
      const unused = [...links.all()].filter((link) => link.usedAt < until && !link.pinned && !anchors.has(link))
      for (const link of withoutMessages(outsideViews(unused))) hangUp(link, 'idle')
    },
  }
}
