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

function frameOf(firstByte: number, payload: Uint8Array): Buffer {
  const head = headFor(payload.length)
  head[0] = firstByte
  return Buffer.concat([head, payload])
}

function headFor(length: number): Buffer {
  if (length < 126) return Buffer.from([0, length])
  if (length < 0x10000) {
    const head = Buffer.from([0, 126, 0, 0])
    head.writeUInt16BE(length, 2)
    return head
  }
  const head = Buffer.from([0, 127, 0, 0, 0, 0, 0, 0, 0, 0])
  head.writeBigUInt64BE(BigInt(length), 2)
  return head
}
