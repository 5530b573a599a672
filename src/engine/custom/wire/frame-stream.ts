/**
 * Frames as a stream of bytes: each is its length (4 bytes, big endian) and as many bytes, the first of which says its type. The stream is
 * cut into encrypted records anywhere, so many small frames share a record, and a large one takes several.
 */

const headBytes = 4

/** A peer broke the protocol; the link is closed. */
export class ProtocolViolation extends Error {
  override readonly name = 'ProtocolViolation'
}

/** Writes the head of a frame with so many bytes. */
export function frameHead(length: number): Buffer {
  const head = Buffer.allocUnsafe(headBytes)
  head.writeUInt32BE(length)
  return head
}

/** Puts the frames together again; holds the bytes of one unfinished frame at most. */
export interface FrameReader {
  /**
   * Takes the next bytes and answers the frames that they finish, which may share their memory.
   * @throws ProtocolViolation on a frame that is empty or longer than `maxFrameBytes`, before its bytes have come
   */
  take(bytes: Buffer): Buffer[]
}

export function createFrameReader(init: { maxFrameBytes: number }): FrameReader {
  /** What has come of the unfinished frame, its head included. */
  let parts: Buffer[] = []
  let have = 0
  /** Bytes of it with its head; unknown as long as the head is not there. */
  let whole: number | undefined

  function lengthAt(bytes: Buffer, at: number): number {
    const length = bytes.readUInt32BE(at)
    if (length === 0 || length > init.maxFrameBytes) throw new ProtocolViolation(`a frame of ${length} bytes`)
    return headBytes + length
  }

  /** Adds to the unfinished frame; answers it when it is done, and how many bytes it took. */
  function continueFrame(bytes: Buffer): { frame?: Buffer; taken: number } {
    const wanted = (whole ?? headBytes) - have
    const part = bytes.subarray(0, wanted)
    parts.push(part)
    have += part.length
    if (have < (whole ?? headBytes)) return { taken: part.length }
    const joined = Buffer.concat(parts)
    if (whole === undefined) {
      whole = lengthAt(joined, 0)
      parts = [joined]
      return { taken: part.length }
    }
    parts = []
    have = 0
    whole = undefined
    return { frame: joined.subarray(headBytes), taken: part.length }
  }

  return {
    take(bytes) {
      const frames: Buffer[] = []
      let at = 0
      while (at < bytes.length) {
        if (have === 0 && bytes.length - at >= headBytes) {
          const end = at + lengthAt(bytes, at)
          if (end <= bytes.length) {
            frames.push(bytes.subarray(at + headBytes, end))
            at = end
            continue
          }
        }
        const { frame, taken } = continueFrame(bytes.subarray(at))
        if (frame !== undefined) frames.push(frame)
        at += taken
      }
      return frames
    },
  }
}
