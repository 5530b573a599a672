import type { Entry } from '../log/entry.ts'
import type { EntryFormat, FrameWriter } from './codec.ts'
import type { ServerFrame } from './server-frames.ts'

/**
 * The sending side of one client. It never holds back a frame: whoever sends much asks `writable` first and waits for the drain. Frames
 * that can't wait, answers above all, take room while they are behind a full buffer, and without room the client is given up. So what a
 * client costs that does not read is bounded, whatever it makes the gateway write.
 */
export interface Outlet {
  /** False while more is waiting below than the limit. */
  readonly writable: boolean
  /** Whether it is not writable because the client takes nothing; for `slowClientMs` at most. */
  readonly isBlocked: boolean
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
  /** Called when the client takes nothing for `slowClientMs`, or does not read while it makes us write more than there is room for. */
  onTooSlow(): void
}

export interface OutletLimits {
  maxSocketBufferBytes: number
  slowClientMs: number
}

export function createOutlet(limits: OutletLimits, components: OutletComponents): Outlet {
  return new BoundedOutlet(limits, components)
}

// A class, like everything here of which every client has one: an object literal with accessors costs some hundred bytes, and is slow.
class BoundedOutlet implements Outlet {
  readonly #limits: OutletLimits
  readonly #components: OutletComponents
  /** Runs while the client is blocked. */
  #patience: NodeJS.Timeout | undefined

  constructor(limits: OutletLimits, components: OutletComponents) {
    this.#limits = limits
    this.#components = components
  }

  get writable(): boolean {
    return !this.isBlocked && this.#components.sink.isOpen
  }

  get isBlocked(): boolean {
    return this.#patience !== undefined
  }

  send(frame: ServerFrame): void {
    const { writer } = this.#components
    if (!this.isBlocked) this.#write(writer.write(frame))
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
    const { sink, onTooSlow } = this.#components
    const { maxSocketBufferBytes, slowClientMs } = this.#limits
    if (!sink.isOpen) return
    if (!this.isBlocked && sink.bufferedBytes + frame.length > maxSocketBufferBytes) {
      this.#patience = setTimeout(onTooSlow, slowClientMs).unref()
      sink.write(frame, () => this.#drained())
    } else {
      sink.write(frame)
    }
  }

  /** A full buffer holds a step of messages and no more; everything else that comes behind it is counted. */
  #writeBehind(frame: Buffer | string): void {
    const { sink, room, onTooSlow } = this.#components
    if (!sink.isOpen) return
    let held: Disposable
    try {
      held = room(frame.length)
    } catch {
      onTooSlow()
      return
    }
    sink.write(frame, () => held[Symbol.dispose]())
  }

  #drained(): void {
    const { sink, onDrain } = this.#components
    if (!this.isBlocked) return
    if (sink.bufferedBytes > this.#limits.maxSocketBufferBytes / 2 && sink.isOpen) {
      // Some other frame is still on its way.
      sink.whenWritten(() => this.#drained())
      return
    }
    clearTimeout(this.#patience)
    this.#patience = undefined
    onDrain()
  }
}
