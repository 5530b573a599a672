import { type FrameOf, frameBounds } from './frames.ts'
import type { OverlayLimits } from './limits.ts'

/**
 * When a topic's tree is renewed, and by which beacon. The first message makes a tree whose root is its author; later ones come from
 * others too, and are fast when the root lies in the middle of them all. The middle is where no neighbour brings more than half of the
 * messages (the centroid of the tree by its traffic: an author that sends most is one itself). Who finds itself there sends a beacon
 * along all links; the way that a beacon came first is the shortest way to its root, and these ways together are the new tree.
 */
export interface Renewal {
  /** A message was taken in from a neighbour, or published here (undefined). */
  heard(from: string | undefined): void
  /** The beacon to send now, when this node is the middle and it is time. */
  due(): Beacon | undefined
  /** Whether a beacon is newer than the last, and does not come too soon after it; it is the last one from then on. */
  adopt(beacon: Beacon, parent: string | undefined): boolean
  /** A beacon came once more: whether it is the last one, and from another than the parent. */
  crossed(beacon: Beacon, from: string): boolean
  /** A message did not come over the tree: the neighbour that led to its root is believed no beacon for a while. */
  broken(): void
  /** A new tree is being made, and the old one still in use; then it has just been made, and others may still use the old one. */
  readonly phase: 'making' | 'made' | undefined
}

export type Beacon = Pick<FrameOf<'beacon'>, 'round' | 'rank'>

/** Rounds that a beacon may be ahead, so that nobody can take all numbers there are. */
const maxRoundStep = 1_000
/** Beacons of one round that a node takes; they are of nodes that found themselves in the middle at the same time. */
const maxRivals = 4
/** Messages that are counted before the counts are halved, so that the newest count most. */
const windowMessages = 64

export function createRenewal(init: { limits: OverlayLimits }, components: { now(): number; random(): number }): Renewal {
  const { renewMs, minRenewMs, settleMs, renewMessages, distrustMs } = init.limits
  const { now, random } = components
  const counts = new Map<string | undefined, number>()
  let total = 0
  let last: { beacon: Beacon; at: number; parent: string | undefined; rivals: number } | undefined
  let dueAt: number | undefined
  /** Parents over which messages did not come, with the time; as few as there are neighbours. */
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

  /** A round that nobody has gone on from is forgotten. */
  function known(): typeof last {
    if (last !== undefined && now() - last.at > 3 * renewMs) last = undefined
    return last
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
      // Neighbours may find the same; the first beacon is the others' answer.
      dueAt ??= now() + random() * settleMs
      return now() < dueAt ? undefined : { round: (last?.beacon.round ?? 0) + 1, rank: Math.floor(random() * frameBounds.rank) }
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
      const ms = last === undefined ? Number.POSITIVE_INFINITY : now() - last.at
      return ms < settleMs ? 'making' : ms < 2 * settleMs ? 'made' : undefined
    },
  }
}
