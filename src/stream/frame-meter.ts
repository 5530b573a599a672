/**
 * Follows the frames of a client as their bytes arrive (RFC 6455 §5.2), before the WebSocket library has a whole message: so that what a
 * message will take is known, and can be refused, while there is nothing of it but a head.
 */
export interface FrameMeter {
  read(chunk: Uint8Array): void
}

export interface FrameMeterEvents {
  /** A message is being received, and will take so many bytes as far as its frames have said; once for each frame of it. */
  onMessage(bytes: number): void
  /** All of it has arrived. */
  onEnd(): void
}

/** Bytes that each further frame of a message costs beside its own, also an empty one. */
const fragmentBytes = 256

const control = 0x08
const masked = 0x80
const final = 0x80

export function createFrameMeter(events: FrameMeterEvents): FrameMeter {
  return new Meter(events)
}

// A class, like everything of which every client has one.
class Meter implements FrameMeter {
  readonly #events: FrameMeterEvents
  /** The head that is being read, as far as it has come. */
  readonly #head = new Uint8Array(14)
  #headLength = 0
  /** Bytes of the frame that are still to come, and whether it ends its message. */
  #left = 0
  #isLast = false
  /** Of the message that is being received: its bytes, and the frames that it has so far. */
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
