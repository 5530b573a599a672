/**
 * Counts the messages of a WebSocket server, however its bytes are split, from the frame headers alone (RFC 6455 §5.2).
 * Control frames do not count.
 */
export interface FrameCounter {
  readonly frames: number
  /** Payload of the last message. */
  readonly lastBytes: number
  take(bytes: Uint8Array): void
}

const dataOpcodes = new Set([0x1, 0x2])

export function createFrameCounter(): FrameCounter {
  const head = new DataView(new ArrayBuffer(10))
  /** Header bytes that have arrived, and payload bytes still missing. */
  let have = 0
  let missing = 0
  let frames = 0
  let lastBytes = 0

  function payloadBytes(): number {
    const length = head.getUint8(1) & 0x7f
    if (length === 127) return Number(head.getBigUint64(2))
    return length === 126 ? head.getUint16(2) : length
  }

  function begin(): void {
    have = 0
    missing = payloadBytes()
    if (dataOpcodes.has(head.getUint8(0) & 0x0f)) lastBytes = missing
    if (missing === 0) finish()
  }

  function finish(): void {
    if (dataOpcodes.has(head.getUint8(0) & 0x0f)) frames++
  }

  return {
    get frames() {
      return frames
    },
    get lastBytes() {
      return lastBytes
    },
    take(bytes) {
      for (let at = 0; at < bytes.length; ) {
        if (missing > 0) {
          const taken = Math.min(missing, bytes.length - at)
          at += taken
          missing -= taken
          if (missing === 0) finish()
        } else {
          head.setUint8(have++, bytes[at++] ?? 0)
          if (have >= 2 && have === headBytes(head.getUint8(1) & 0x7f)) begin()
        }
      }
    },
  }
}

/** Header length of an unmasked frame with this second byte. */
function headBytes(length: number): number {
  if (length === 127) return 10
  return length === 126 ? 4 : 2
}
