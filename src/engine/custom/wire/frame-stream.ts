import { type GatheredBytes, gatherBytes } from '../../../lib/gathered-bytes.ts'

/**
 * Frames as a stream of bytes: each is its length (4 bytes, big endian) and that many bytes, the first of which is its
 * type. The stream is cut into encrypted records at any byte, so small frames share a record and a large frame takes
 * several.
 */

/** Bytes of the length. The type behind it is part of the frame. */
const headBytes = 4

/** A peer violated the protocol; its link is closed. */
export class ProtocolViolation extends Error {
  override readonly name = 'ProtocolViolation'
}

/** The head of a frame of `length` bytes, followed by the frame's type if it is given. */
export function frameHead(length: number, type?: number): Buffer {
  const head = Buffer.allocUnsafe(type === undefined ? headBytes : headBytes + 1)
  head.writeUInt32BE(length)
  if (type !== undefined) head[headBytes] = type
  return head
}

/** Reassembles frames. Holds the bytes of one unfinished frame at most. */
export interface FrameReader {
  /**
   * Takes the next bytes and returns the frames that they complete, which may share their memory.
   * @throws ProtocolViolation on a frame that is empty, or longer than the maximum of all frames or of its type, before
   * its bytes arrive
   */
  take(bytes: Buffer): Buffer[]
}

export interface FrameReaderInit {
  /** Bytes of the longest frame, its type included. */
  maxFrameBytes: number
  /** Bytes of the longest frame of a type, the type byte included. */
  maxBytesOf(type: number): number
}

export function createFrameReader(init: FrameReaderInit): FrameReader {
  /** The head of the unfinished frame, its type included. */
  let head = gatherBytes(headBytes + 1)
  /** The unfinished frame from its type on; undefined until its head is complete. */
  let frame: GatheredBytes | undefined

  /** Bytes of the frame whose head begins at `at`. @throws ProtocolViolation */
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

  /** Takes bytes of an unfinished frame; returns how many. */
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
        // A frame that is complete in these bytes is not copied.
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
