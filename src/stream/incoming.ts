import type { RateClient } from '../access/rates.ts'
import { createFrameMeter } from './frame-meter.ts'

/**
 * Accounts for the frames of one client from their first byte until they were carried out. A large frame gets room for
 * the length in its header, or is not received at all. A small frame is counted once it is complete.
 */
export interface Incoming extends Disposable {
  /**
   * Takes the next complete frame, in the order of arrival. `bytes` is its size, inflated if it was compressed: that is
   * what it counts. Its room is held until the result is disposed of.
   * @throws Overloaded when there is no room for it, FrameTooLarge when it has grown beyond what its client may send
   */
  take(bytes: number): HeldFrame
}

export interface HeldFrame extends Disposable {
  /** Bytes of the frame, including the overhead of its fragments. */
  readonly bytes: number
  /** Whether it was compressed: it costs more to inflate the next ones than to send them. */
  readonly isInflated: boolean
}

export interface IncomingInit {
  /** Bytes of the largest frame that this client may send now. */
  maxBytes(): number
}

export interface IncomingComponents {
  room: FrameRoom
  client: RateClient
  /** The socket below the WebSocket. Its bytes are seen here before the WebSocket sees them. */
  wire: { prependListener(event: 'data', listener: (chunk: Uint8Array) => void): unknown }
  /** The frame being received is too large, or there is no room for it; the error says which. Reading must stop. */
  onRefused(error: unknown): void
}

export interface FrameRoom {
  /** @throws Overloaded */
  take(client: RateClient, bytes: number): Disposable
}

/** A frame is larger than its client may send. */
export class FrameTooLarge extends Error {
  override readonly name = 'FrameTooLarge'
}

/**
 * Frames up to this size in bytes are counted only once they are complete. It is less than a socket delivers in one
 * chunk.
 */
const smallBytes = 4_096

export function createIncoming(init: IncomingInit, components: IncomingComponents): Incoming {
  return new IncomingFrames(init, components)
}

class IncomingFrames implements Incoming {
  readonly #init: IncomingInit
  readonly #components: IncomingComponents
  /** Room held for the message being received. Undefined while the message is small. */
  #current: DisposableStack | undefined
  #currentBytes = 0
  /** Bytes of the message being received, as far as its frames have announced them. */
  #messageBytes = 0
  /** Complete messages that were not taken yet. */
  readonly #whole: Array<{ bytes: number; held: DisposableStack | undefined }> = []
  #isOver = false

  constructor(init: IncomingInit, components: IncomingComponents) {
    this.#init = init
    this.#components = components
    const meter = createFrameMeter({ onMessage: (bytes) => this.#expect(bytes), onEnd: () => this.#end() })
    components.wire.prependListener('data', (chunk) => {
      if (!this.#isOver) meter.read(chunk)
    })
  }

  take(bytes: number): HeldFrame {
    const whole = this.#whole.shift() ?? { bytes, held: undefined }
    const { held } = whole
    const size = Math.max(whole.bytes, bytes)
    const missing = whole.held === undefined ? size : size - whole.bytes
    const isInflated = size > whole.bytes
    try {
      if (isInflated && size > this.#init.maxBytes()) throw new FrameTooLarge('the frame is larger than this client may send')
      const more = missing > 0 ? this.#components.room.take(this.#components.client, missing) : undefined
      if (more !== undefined) held?.use(more)
      return new Held(size, isInflated, held ?? more)
    } catch (error) {
      held?.dispose()
      throw error
    }
  }

  [Symbol.dispose](): void {
    this.#isOver = true
    this.#current?.dispose()
    this.#current = undefined
    for (const { held } of this.#whole.splice(0)) held?.dispose()
  }

  #expect(bytes: number): void {
    if (this.#isOver) return
    this.#messageBytes = bytes
    try {
      if (bytes > this.#init.maxBytes()) throw new FrameTooLarge('the frame is larger than this client may send')
      if (bytes <= smallBytes) return
      this.#current ??= new DisposableStack()
      this.#current.use(this.#components.room.take(this.#components.client, bytes - this.#currentBytes))
      this.#currentBytes = bytes
    } catch (error) {
      this[Symbol.dispose]()
      this.#components.onRefused(error)
    }
  }

  #end(): void {
    this.#whole.push({ bytes: this.#messageBytes, held: this.#current })
    this.#current = undefined
    this.#currentBytes = 0
  }
}

// A class: there is one for each frame, and most hold room without a stack of their own.
class Held implements HeldFrame {
  readonly bytes: number
  readonly isInflated: boolean
  readonly #room: Disposable | undefined

  constructor(bytes: number, isInflated: boolean, room: Disposable | undefined) {
    this.bytes = bytes
    this.isInflated = isInflated
    this.#room = room
  }

  [Symbol.dispose](): void {
    this.#room?.[Symbol.dispose]()
  }
}
