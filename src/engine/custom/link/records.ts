import { maxMessageBytes, tagBytes } from '../noise/cipher-state.ts'

const maxPlaintextBytes = maxMessageBytes - tagBytes

/** The plaintext of one record at a time. One for the process: it is encrypted before anything else runs. */
const plaintext = Buffer.allocUnsafeSlow(maxPlaintextBytes)

/**
 * Writes frames as records. A frame that fits into a record is not divided, so that the other end need not copy its
 * parts together.
 * @param frames each in its parts
 * @param seal encrypts a record's plaintext, whose memory is used again when it returns
 */
export function writeRecords(frames: Uint8Array[][], seal: (plaintext: Uint8Array) => void): void {
  let filled = 0

  function end(): void {
    if (filled > 0) seal(plaintext.subarray(0, filled))
    filled = 0
  }

  function add(part: Uint8Array): void {
    for (let at = 0; at < part.length; ) {
      if (filled === maxPlaintextBytes) end()
      const piece = at === 0 && part.length <= maxPlaintextBytes - filled ? part : part.subarray(at, at + maxPlaintextBytes - filled)
      plaintext.set(piece, filled)
      filled += piece.length
      at += piece.length
    }
  }

  for (const parts of frames) {
    const length = parts.reduce((sum, part) => sum + part.length, 0)
    if (length > maxPlaintextBytes - filled && length <= maxPlaintextBytes) end()
    for (const part of parts) add(part)
  }
  end()
}
