/** Memory cost of a frame in addition to its bytes, until the connection has taken it. */
const frameOverheadBytes = 256
/** Maximum taken frames that remain in the list. */
const maxTaken = 1_000

/** The frames that were written to a connection and not yet taken by it, in order. */
export interface WaitingFrames {
  add(bytes: number): void
  /** Removes all but the last `bytes`; a frame that was taken in part stays. */
  keepLast(bytes: number): void
  /** Memory cost of the frames, in bytes. */
  readonly cost: number
}

export function createWaitingFrames(): WaitingFrames {
  let sizes: number[] = []
  /** Number of frames taken, at the start of the list. */
  let taken = 0
  let bytes = 0

  return {
    add(size) {
      sizes.push(size)
      bytes += size
    },
    keepLast(left) {
      for (let size = sizes[taken]; size !== undefined && bytes - size >= left; size = sizes[taken]) {
        bytes -= size
        taken++
      }
      if (taken < maxTaken && taken < sizes.length) return
      sizes = sizes.slice(taken)
      taken = 0
    },
    get cost() {
      return bytes + (sizes.length - taken) * frameOverheadBytes
    },
  }
}
