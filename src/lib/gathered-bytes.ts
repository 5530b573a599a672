/**
 * Bytes of a known length on their way in. Pieces are copied: what they came in may be larger, and would live as long; and a million
 * pieces of one byte would cost a hundred times their bytes. The room grows with what comes, not with what is said to come.
 */
export interface GatheredBytes {
  /** Bytes that are still to come. */
  readonly missing: number
  /** Adds a piece, at most what is missing. */
  add(piece: Uint8Array): void
  /** What has come so far. */
  readonly bytes: Buffer
  /** Bytes of memory that it takes. */
  readonly room: number
}

/** Room at first. */
const firstRoomBytes = 65_536

export function gatherBytes(length: number): GatheredBytes {
  let room = Buffer.alloc(0)
  let have = 0

  function makeRoom(bytes: number): void {
    if (bytes <= room.length) return
    const grown = Buffer.allocUnsafe(Math.min(length, Math.max(bytes, firstRoomBytes, 2 * room.length)))
    room.copy(grown, 0, 0, have)
    room = grown
  }

  return {
    get missing() {
      return length - have
    },
    add(piece) {
      if (piece.length > length - have) throw new RangeError('a piece of more bytes than are missing')
      makeRoom(have + piece.length)
      room.set(piece, have)
      have += piece.length
    },
    get bytes() {
      return room.subarray(0, have)
    },
    get room() {
      return room.length
    },
  }
}
