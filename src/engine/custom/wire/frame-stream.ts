import { type GatheredBytes, gatherBytes } from '../../../lib/gathered-bytes.ts'

/**
 * Frames as a stream of bytes: each is its length (4 bytes, big endian) and as many bytes, the first of which says its type. The stream is
 * cut into encrypted records anywhere, so many small frames share a record, and a large one takes several.
 */

/** The length; the type behind it is part of the frame. */
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
   * @throws ProtocolViolation on a frame that is empty or longer than any, or than those of its type, before its bytes have come
   */
  take(bytes: Buffer): Buffer[]
}

export interface FrameReaderInit {
  /** Bytes of the longest frame, its type included. */
  maxFrameBytes: number
  /** The same of a type. */
  maxBytesOf(type: number): number
}

export function createFrameReader(init: FrameReaderInit): FrameReader {
  /** The head of the unfinished frame, its type included. */
  let head = gatherBytes(headBytes + 1)
  /** The rest of it, from the type on; undefined as long as the head is not there. */
  let frame: GatheredBytes | undefined

  /** Bytes of the frame whose head begins there. @throws ProtocolViolation */
  function lengthAt(bytes: Buffer, at: number): number {
    const length = bytes.readUInt32BE(at)
    if (length === 0 || length > init.maxFrameBytes) throw new ProtocolViolation(`a frame of ${length} bytes`)
    const type = bytes[at + headBytes]
    if (type !== undefined && length > init.maxBytesOf(type)) throw new ProtocolViolation(`a frame of type ${type} with ${length} bytes`)
    return length
  }

  function gatherHead(bytes: Buffer): number {
    const part = bytes.subarray(0, head.missing)
    head.add(part)
    if (head.bytes.length >= headBytes) {
      const length = lengthAt(head.bytes, 0)
      if (head.missing === 0) {
        frame = gatherBytes(length)
        frame.add(head.bytes.subarray(headBytes))
        head = gatherBytes(headBytes + 1)
      }
    }
    return part.length
  }

  /** Takes bytes of an unfinished frame; answers how many. */
  function gather(bytes: Buffer): number {
    if (frame === undefined) return gatherHead(bytes)
    const part = bytes.subarray(0, frame.missing)
    frame.add(part)
    return part.length
  }

  return {
    take(bytes) {
      const frames: Buffer[] = []
      let at = 0
      while (at < bytes.length) {
        // A frame that is there as a whole is not copied.
        if (frame === undefined && head.bytes.length === 0 && bytes.length - at > headBytes) {
          const start = at + headBytes
          const end = start + lengthAt(bytes, at)
          if (end <= bytes.length) {
            frames.push(bytes.subarray(start, end))
            at = end
            continue
          }
        }
        at += gather(bytes.subarray(at))
        if (frame?.missing === 0) {
          frames.push(frame.bytes)
          frame = undefined
        }
      }
      return frames
    },
  }
}
