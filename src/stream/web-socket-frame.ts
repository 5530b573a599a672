import { constants, deflateRawSync } from 'node:zlib'

/** Opcodes of messages (RFC 6455 §5.2). */
export const opcodes = { text: 0x1, binary: 0x2 } as const

const final = 0x80
const compressed = 0x40

/** Makes a complete message of a WebSocket server. */
export type Framing = (opcode: number, payload: Uint8Array) => Buffer

/**
 * A message as it is, unmasked and in one frame (RFC 6455 §5.2). Made here rather than by the WebSocket library, so
 * that all clients share one buffer, header included.
 */
export const plainFrame: Framing = (opcode, payload) => frameOf(final | opcode, payload)

/** Minimum bytes of a message that is compressed. Smaller ones gain little. */
const minDeflatedBytes = 512

/**
 * A message for clients that have negotiated `permessage-deflate` (RFC 7692) without context takeover: it depends on no
 * message before it, so clients share it too, and no connection holds a compressor.
 */
export const deflatedFrame: Framing = (opcode, payload) => {
  if (payload.length < minDeflatedBytes) return plainFrame(opcode, payload)
  const deflated = deflateRawSync(payload, { level: constants.Z_BEST_SPEED, finishFlush: constants.Z_SYNC_FLUSH })
  // Without the empty block at the end (RFC 7692 §7.2.1).
  return frameOf(final | compressed | opcode, deflated.subarray(0, -4))
}

/** The message of a text, as `plainFrame` makes it, without a copy of its bytes in between. */
export function plainTextFrame(text: string): Buffer {
  const length = Buffer.byteLength(text)
  const head = headBytes(length)
  const frame = Buffer.allocUnsafe(head + length)
  writeHead(frame, final | opcodes.text, length)
  frame.write(text, head)
  return frame
}

function frameOf(firstByte: number, payload: Uint8Array): Buffer {
  const head = headBytes(payload.length)
  const frame = Buffer.allocUnsafe(head + payload.length)
  writeHead(frame, firstByte, payload.length)
  frame.set(payload, head)
  return frame
}

function headBytes(length: number): number {
  if (length < 126) return 2
  return length < 0x10000 ? 4 : 10
}

function writeHead(frame: Buffer, firstByte: number, length: number): void {
  frame[0] = firstByte
  if (length < 126) frame[1] = length
  else if (length < 0x10000) {
    frame[1] = 126
    frame.writeUInt16BE(length, 2)
  } else {
    frame[1] = 127
    frame.writeBigUInt64BE(BigInt(length), 2)
  }
}
