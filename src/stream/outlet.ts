import type { EntryFormat, FrameWriter } from './codec.ts'
import type { Entry } from './entry.ts'
import type { ServerFrame } from './frames.ts'

/**
 * The sending side of one client. It never holds back a frame: whoever sends much asks `writable` first and waits for the drain. Frames
 * that can't wait, answers above all, take room while they are behind a full buffer, and without room the client is given up. So what a
 * client costs that does not read is bounded, whatever it makes the gateway write.
 */
export interface Outlet {
  /** False while more is waiting below than the limit. */
  readonly writable: boolean
  /** Since when the client has not been writable (milliseconds of the monotonic clock), or undefined. */
  readonly blockedSince: number | undefined
  send(frame: ServerFrame): void
  sendEntry(entry: Entry, format: EntryFormat): void
  /** Has what `send` sends go out as one write. */
  together(send: () => void): void
}

/** What an outlet writes to: a socket with a buffer of its own. */
export interface Sink {
  readonly isOpen: boolean
  readonly bufferedBytes: number
  /** `written` is called when the bytes have left the buffer. */
  write(frame: Buffer | string, written?: () => void): void
  /** Calls when everything written before has left the buffer. */
  whenWritten(written: () => void): void
  /** Between the two, what is written is collected. */
  cork(): void
  uncork(): void
}

export interface OutletComponents {
  sink: Sink
  writer: FrameWriter
  /** Holds a frame that is not one of a subscription's messages until the client has taken it. @throws Error when there is no room */
  room(bytes: number): Disposable
  /** Called when a full outlet is writable again. */
  onDrain(): void
  /** Called when the client makes us write more than there is room for, and does not read. */
  onOverflow(): void
}

export function createOutlet(init: { maxSocketBufferBytes: number }, components: OutletComponents): Outlet {
  return new BoundedOutlet(init.maxSocketBufferBytes, components)
}

// A class, like everything here of which every client has one: an object literal with accessors costs some hundred bytes, and is slow.
class BoundedOutlet implements Outlet {
  readonly #maxBytes: number
  readonly #components: OutletComponents
  #blockedSince: number | undefined

  constructor(maxBytes: number, components: OutletComponents) {
    this.#maxBytes = maxBytes
    this.#components = components
  }

  get writable(): boolean {
    return this.#blockedSince === undefined && this.#components.sink.isOpen
  }

  get blockedSince(): number | undefined {
    return this.#blockedSince
  }

  send(frame: ServerFrame): void {
    const { writer } = this.#components
    if (this.#blockedSince === undefined) this.#write(writer.write(frame))
    else this.#writeBehind(writer.write(frame))
  }

  sendEntry(entry: Entry, format: EntryFormat): void {
    this.#write(this.#components.writer.writeEntry(entry, format))
  }

  together(send: () => void): void {
    const { sink } = this.#components
    sink.cork()
    try {
      send()
    } finally {
      sink.uncork()
    }
  }

  #write(frame: Buffer | string): void {
    const { sink } = this.#components
    if (!sink.isOpen) return
    if (this.#blockedSince === undefined && sink.bufferedBytes + frame.length > this.#maxBytes) {
      this.#blockedSince = performance.now()
      sink.write(frame, () => this.#drained())
    } else {
      sink.write(frame)
    }
  }

  /** A full buffer holds a step of messages and no more; everything else that comes behind it is counted. */
  #writeBehind(frame: Buffer | string): void {
    const { sink, room, onOverflow } = this.#components
    if (!sink.isOpen) return
    let held: Disposable
    try {
      held = room(frame.length)
    } catch {
      onOverflow()
      return
    }
    sink.write(frame, () => held[Symbol.dispose]())
  }

  #drained(): void {
    const { sink, onDrain } = this.#components
    if (this.#blockedSince === undefined) return
    if (sink.bufferedBytes > this.#maxBytes / 2 && sink.isOpen) {
      // Some other frame is still on its way.
      sink.whenWritten(() => this.#drained())
      return
    }
    this.#blockedSince = undefined
    onDrain()
  }
}
