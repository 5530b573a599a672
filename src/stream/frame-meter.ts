/**
 * Parses the frame headers of a client as bytes arrive (RFC 6455 §5.2), before the WebSocket library has a complete
 * message. So the size of a message is known, and the message can be refused, as soon as its header has arrived.
 */
export interface FrameMeter {
  read(chunk: Uint8Array): void
}

export interface FrameMeterEvents {
  /**
   * Called for each frame of a message with the bytes of the message so far, including those that the frame announces.
   */
  onMessage(bytes: number): void
  /** The message is complete. */
  onEnd(): void
}

/** Overhead in bytes of each further frame of a message, also of an empty one. */
const fragmentBytes = 256

const control = 0x08
const masked = 0x80
const final = 0x80

export function createFrameMeter(events: FrameMeterEvents): FrameMeter {
  return new Meter(events)
}

// A class, like every object that exists per client (see `outlet.ts`).
class Meter implements FrameMeter {
  readonly #events: FrameMeterEvents
  /** The bytes of the current frame header that have arrived. */
  readonly #head = new Uint8Array(14)
  #headLength = 0
  /** Bytes of the current frame that are still to come, and whether the frame ends its message. */
  #left = 0
  #isLast = false
  /** Bytes and frames of the current message so far. */
  #messageBytes = 0
  #messageFrames = 0

  constructor(events: FrameMeterEvents) {
    this.#events = events
  }

  read(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length; ) {
      if (this.#left > 0) {
        const taken = Math.min(this.#left, chunk.length - at)
        this.#left -= taken
        at += taken
        if (this.#left === 0 && this.#isLast) this.#end()
        continue
      }
      this.#head[this.#headLength++] = chunk[at++] ?? 0
      if (this.#headLength >= 2 && this.#headLength === headLength(this.#head)) this.#begin()
    }
  }

  #begin(): void {
    const [first = 0] = this.#head
    this.#headLength = 0
    this.#left = payloadLength(this.#head)
    if ((first & control) !== 0) {
      this.#isLast = false
      return
    }
    this.#isLast = (first & final) !== 0
    this.#messageBytes += this.#left + (this.#messageFrames++ === 0 ? 0 : fragmentBytes)
    this.#events.onMessage(this.#messageBytes)
    if (this.#left === 0 && this.#isLast) this.#end()
  }

  #end(): void {
    this.#messageBytes = 0
    this.#messageFrames = 0
    this.#events.onEnd()
  }
}

function headLength([, second = 0]: Uint8Array): number {
  const length = second & 0x7f
  return 2 + (length === 126 ? 2 : length === 127 ? 8 : 0) + ((second & masked) === 0 ? 0 : 4)
}

function payloadLength(head: Uint8Array): number {
  const view = new DataView(head.buffer, head.byteOffset)
  const length = (head[1] ?? 0) & 0x7f
  if (length < 126) return length
  return length === 126 ? view.getUint16(2) : Number(view.getBigUint64(2))
}
