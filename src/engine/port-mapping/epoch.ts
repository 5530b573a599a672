/**
 * The clock that a router tells in each answer, in seconds since its start. A clock that went back, or runs at another
 * speed than this host's, tells that the router was restarted and has forgotten all ports (RFC 6886, section 3.6; RFC
 * 6887, section 8.5).
 */
export interface Epoch {
  /** Takes the clock of an answer. Returns whether the router was restarted since the answer before. */
  told(seconds: number): boolean
}

export function createEpoch(components: { now?: () => number } = {}): Epoch {
  const { now = () => performance.now() } = components
  let last: { here: number; there: number } | undefined

  return {
    told(there) {
      const before = last
      const here = now() / 1_000
      last = { here, there }
      if (before === undefined) return false
      if (there + 1 < before.there) return true
      const [passedHere, passedThere] = [here - before.here, there - before.there]
      return passedHere + 2 < passedThere - passedThere / 16 || passedThere + 2 < passedHere - passedHere / 16
    },
  }
}
