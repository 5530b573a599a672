/** Opcodes of messages (RFC 6455 §5.2). */
export const opcodes = { text: 0x1, binary: 0x2 } as const

const final = 0x80

/**
 * A complete message of a WebSocket server, unmasked and in one frame (RFC 6455 §5.2). Made here rather than by the
 * WebSocket library, so that all clients share one buffer, header included.
 */
export function webSocketFrame(opcode: number, payload: Uint8Array): Buffer {
  const head = headFor(payload.length)
  head[0] = final | opcode
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
