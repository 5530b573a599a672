/**
 * Collects incoming bytes of a known total length. Pieces are copied: the buffer that a piece is part of may be larger,
 * and would be kept alive; and a million one-byte pieces would cost a hundred times their bytes. The buffer grows with
 * the bytes received, not with the announced length.
 */
export interface GatheredBytes {
  /** Bytes still missing. */
  readonly missing: number
  /** Adds a piece. @throws RangeError when it is longer than what is missing */
  add(piece: Uint8Array): void
  /** The bytes received so far. */
  readonly bytes: Buffer
  /** Allocated bytes. */
  readonly room: number
}

/** Initial allocation. */
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
      if (piece.length > length - have) throw new RangeError('the piece is longer than the missing bytes')
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
