/**
 * How long the other end of a link has been silent, in looks of this process and not in time: while this process stands
 * still, time goes on, and what the other end has sent waits unread. Between two looks it is read.
 */
export interface Silence {
  /** The number of looks in a row, with this one, that have found no sign of life since the look before. */
  look(): number
}

/** @param heardAt when the other end last gave a sign of life, by a clock that never goes back */
export function createSilence(heardAt: () => number): Silence {
  let before = Number.NEGATIVE_INFINITY
  let looks = 0

  return {
    look() {
      const heard = heardAt()
      looks = heard > before ? 0 : looks + 1
      before = Math.max(before, heard)
      return looks
    },
  }
}
