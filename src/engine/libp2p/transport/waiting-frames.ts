/** What a small frame costs in memory beside its bytes, as long as the connection has not taken it. */
const frameOverheadBytes = 256
/** Frames that were taken and are still in the list. */
const maxTaken = 1_000

/** The frames that were written to a connection and that it has not taken, in order. */
export interface WaitingFrames {
  add(bytes: number): void
  /** All but the last so many bytes were taken; a frame that was taken in part waits. */
  keepLast(bytes: number): void
  /** Bytes that they cost in memory. */
  readonly cost: number
}

export function createWaitingFrames(): WaitingFrames {
  let sizes: number[] = []
  /** How many of them were taken. */
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
