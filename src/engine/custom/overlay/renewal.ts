import { type FrameOf, frameBounds } from './frames.ts'
import type { OverlayLimits } from './limits.ts'

/**
 * Decides when a topic's tree is renewed, and by which beacon. The first message makes a tree rooted at its author.
 * Later messages come from other authors too, and are fast when the root lies in the middle: at the centroid of the
 * tree by traffic, where no neighbour brings more than half of the messages (an author that sends most of them is one
 * itself). A node in the middle sends a beacon on all links. The link on which a beacon arrives first leads to its root
 * on the shortest path, and these links together form the new tree.
 */
export interface Renewal {
  /** A message was accepted from a neighbour, or published here (undefined). */
  heard(from: string | undefined): void
  /** The beacon to send now; undefined unless this node is the middle and a renewal is due. */
  due(): Beacon | undefined
  /** Adopts a beacon that is newer than the last and not too soon after it. Returns whether it did. */
  adopt(beacon: Beacon, parent: string | undefined): boolean
  /** Whether a repeated beacon is the adopted one, from a neighbour other than the parent. */
  crossed(beacon: Beacon, from: string): boolean
  /** A message did not arrive on the tree. Beacons of the parent are refused for a while. */
  broken(): void
  /**
   * `making`: the old tree is still in use here. `made`: the new tree is complete, but other nodes may still use the
   * old one.
   */
  readonly phase: 'making' | 'made' | undefined
  /** Whether time alone may make something due. Otherwise nothing is due before the next message or beacon. */
  readonly isWaiting: boolean
}

export type Beacon = Pick<FrameOf<'beacon'>, 'round' | 'rank'>

/** Maximum step between rounds, so that no node can exhaust the numbers. */
const maxRoundStep = 1_000
/**
 * Beacons of one round that a node adopts. They come from nodes that found themselves in the middle at the same time.
 */
const maxRivals = 4
/** Messages after which the counts are halved, so that recent messages count most. */
const windowMessages = 64

export function createRenewal(init: { limits: OverlayLimits }, components: { now(): number; random(): number }): Renewal {
  const { renewMs, minRenewMs, settleMs, renewMessages, distrustMs } = init.limits
  const { now, random } = components
  const counts = new Map<string | undefined, number>()
  let total = 0
  let last: { beacon: Beacon; at: number; parent: string | undefined; rivals: number } | undefined
  let dueAt: number | undefined
  /** Parents on whose links messages did not arrive, with the time. Bounded by the number of neighbours. */
  const distrusted = new Map<string, number>()

  function halve(): void {
    total = 0
    for (const [from, count] of counts) {
      const half = Math.floor(count / 2)
      if (half === 0) counts.delete(from)
      else counts.set(from, half)
      total += half
    }
  }

  function isMiddle(): boolean {
    if (total < renewMessages) return false
    for (const [from, count] of counts) if (from !== undefined && count * 2 > total) return false
    return true
  }

  /** The last beacon, unless it has expired without a successor. */
  function known(): typeof last {
    if (last !== undefined && now() - last.at > 3 * renewMs) last = undefined
    return last
  }

  function phaseOf(): Renewal['phase'] {
    const ms = last === undefined ? Number.POSITIVE_INFINITY : now() - last.at
    return ms < settleMs ? 'making' : ms < 2 * settleMs ? 'made' : undefined
  }

  return {
    heard(from) {
      counts.set(from, (counts.get(from) ?? 0) + 1)
      if (++total >= windowMessages) halve()
    },
    due() {
      if (now() - (known()?.at ?? Number.NEGATIVE_INFINITY) < renewMs || !isMiddle()) {
        dueAt = undefined
        return undefined
      }
      const { round } = last?.beacon ?? { round: 0 }
      // Only a hostile peer names the last number. The count begins anew when that beacon has expired.
      if (round === frameBounds.round) return undefined
      // Several nodes may find themselves in the middle. The first beacon stops the others.
      dueAt ??= now() + random() * settleMs
      return now() < dueAt ? undefined : { round: round + 1, rank: Math.floor(random() * frameBounds.rank) }
    },
    adopt(beacon, parent) {
      if (parent !== undefined && now() - (distrusted.get(parent) ?? Number.NEGATIVE_INFINITY) < distrustMs) return false
      const before = known()
      let rivals = 0
      if (before !== undefined) {
        const step = beacon.round - before.beacon.round
        const isRival = step === 0 && beacon.rank > before.beacon.rank && before.rivals < maxRivals
        const isNext = step > 0 && step <= maxRoundStep && now() - before.at >= minRenewMs
        if (!isRival && !isNext) return false
        if (isRival) rivals = before.rivals + 1
      }
      last = { beacon: { round: beacon.round, rank: beacon.rank }, at: now(), parent, rivals }
      counts.clear()
      total = 0
      dueAt = undefined
      return true
    },
    crossed({ round, rank }, from) {
      return last !== undefined && last.beacon.round === round && last.beacon.rank === rank && last.parent !== from
    },
    broken() {
      const { parent } = last ?? {}
      if (parent === undefined) return
      distrusted.set(parent, now())
      for (const [peerId, at] of distrusted) if (now() - at >= distrustMs) distrusted.delete(peerId)
    },
    get phase() {
      return phaseOf()
    },
    get isWaiting() {
      return isMiddle() || phaseOf() !== undefined
    },
  }
}
