import type { OverlayLimits } from './limits.ts'

/**
 * Penalties of peers, in points that decay with a half-life. Kept by peer id, so that a new link does not reset them. A
 * peer that reaches the limit is avoided for a while.
 */
export interface Scores {
  /** Adds points; returns whether the peer is now to be avoided. */
  penalize(peerId: string, offence: Offence): boolean
  avoided(peerId: string): boolean
  /** The points of a peer, at the moment. */
  penalty(peerId: string): number
  readonly size: number
}

/**
 * Points by offence. A neighbour verifies before it forwards, so a rejected message is its fault. The rest happens to
 * honest peers too.
 */
const points = {
  rejectedMessage: 10,
  /** Announced a message, and sent neither it when asked, nor any other. */
  brokenPromise: 1,
  /** Requested a message again that it had got, or kept sending payloads after a prune. */
  waste: 1,
  floodedFrame: 0.5,
} as const

export type Offence = keyof typeof points

export function createScores(init: { limits: OverlayLimits }, components: { now(): number }): Scores {
  const { limits } = init
  const { now } = components
  const offenders = new Map<string, { points: number; at: number; avoidUntil: number }>()

  function pointsAt(offender: { points: number; at: number }, at: number): number {
    return offender.points * 0.5 ** ((at - offender.at) / limits.penaltyHalfLifeMs)
  }

  /** The peer with the fewest points makes room; avoided peers come last. */
  function makeRoom(): void {
    if (offenders.size < limits.maxScoredPeers) return
    let mildest: string | undefined
    let fewest = Number.POSITIVE_INFINITY
    for (const [peerId, offender] of offenders) {
      const weight = offender.avoidUntil > now() ? limits.maxPenalty + offender.points : offender.points
      if (weight < fewest) {
        fewest = weight
        mildest = peerId
      }
    }
    if (mildest !== undefined) offenders.delete(mildest)
  }

  return {
    penalize(peerId, offence) {
      const at = now()
      let offender = offenders.get(peerId)
      if (offender === undefined) {
        makeRoom()
        offender = { points: 0, at, avoidUntil: 0 }
        offenders.set(peerId, offender)
      }
      offender.points = pointsAt(offender, at) + points[offence]
      offender.at = at
      if (offender.points < limits.maxPenalty) return false
      offender.avoidUntil = at + limits.avoidMs
      return true
    },
    penalty(peerId) {
      const offender = offenders.get(peerId)
      return offender === undefined ? 0 : pointsAt(offender, now())
    },
    avoided: (peerId) => (offenders.get(peerId)?.avoidUntil ?? 0) > now(),
    get size() {
      return offenders.size
    },
  }
}
