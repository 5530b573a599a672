import type { RateClient } from '../access/rates.ts'
import { createFrameMeter } from './frame-meter.ts'

/**
 * The frames of one client from their first byte until they have been dealt with. A large one has room for all that its head announces, or
 * is not received at all; a small one is counted once it is whole.
 */
export interface Incoming extends Disposable {
  /**
   * Holds the next whole frame, of so many bytes, in the order of arrival, until it is disposed of.
   * @throws Overloaded when there is no room for it
   */
  take(bytes: number): HeldFrame
}

export interface HeldFrame extends Disposable {
  /** Its bytes, with what its pieces cost beside them. */
  readonly bytes: number
}

export interface IncomingInit {
  /** Bytes of the largest frame that this client may send at the moment. */
  maxBytes(): number
}

export interface IncomingComponents {
  room: FrameRoom
  client: RateClient
  /** What the WebSocket stands on: its bytes are seen here before the WebSocket sees them. */
  wire: { prependListener(event: 'data', listener: (chunk: Uint8Array) => void): unknown }
  /** A frame is on its way that is too large, or that there is no room for (the error says so): nothing more may be received. */
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

/** Bytes of frames that are counted only once they are whole: less than a socket hands over at once. */
const smallBytes = 4_096

export function createIncoming(init: IncomingInit, components: IncomingComponents): Incoming {
  return new IncomingFrames(init, components)
}

class IncomingFrames implements Incoming {
  readonly #init: IncomingInit
  readonly #components: IncomingComponents
  /** What is held of the frame that is being received; undefined while it is small. */
  #current: DisposableStack | undefined
  #currentBytes = 0
  /** Of all of it, as far as it is known. */
  #messageBytes = 0
  /** The same of frames that are whole and have not been taken. */
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
    const held = whole.held ?? this.#components.room.take(this.#components.client, whole.bytes)
    return { bytes: whole.bytes, [Symbol.dispose]: () => held[Symbol.dispose]() }
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
