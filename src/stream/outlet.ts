import type { Limits } from '../limits.ts'
import type { Entry } from '../log/entry.ts'
import type { EntryFormat, FrameWriter } from './codec.ts'
import { joinedFrames } from './joined-frames.ts'
import type { ServerFrame } from './server-frames.ts'

/**
 * The sending side of one client. It never delays a frame: a sender of many frames checks `writable` first and waits
 * for the drain. Frames that cannot wait, such as answers, take room while the buffer is full. Without room the client
 * is closed. So the memory for a client that does not read is bounded.
 */
export interface Outlet<Frame = ServerFrame> {
  /** False while the socket buffers more than the limit. */
  readonly writable: boolean
  /** Whether the client does not read and the buffer is full. Lasts for `slowClientMs` at most. */
  readonly isBlocked: boolean
  send(frame: Frame): void
  sendEntry(entry: Entry, format: EntryFormat): void
  /** Sends messages in one write. */
  sendEntries(entries: readonly Entry[], format: EntryFormat): void
  /**
   * Sends frames in one write of one buffer, which costs less than many small ones: until `next` has none, or the buffer
   * is full. The frames are for this client alone, since their bytes are copied.
   */
  sendMany(next: () => Frame | undefined): void
  /** Sends the frames of `send` in one write. */
  together(send: () => void): void
}

/** The target of an outlet: a socket with a buffer of its own. */
export interface Sink {
  readonly isOpen: boolean
  readonly bufferedBytes: number
  /** Calls `written` when the bytes have left the buffer. */
  write(frame: Buffer | string, written?: () => void): void
  /** Calls `written` when everything written before has left the buffer. */
  whenWritten(written: () => void): void
  /** Collects writes until `uncork`. */
  cork(): void
  uncork(): void
}

export interface OutletComponents<Frame = ServerFrame> {
  sink: Sink
  writer: FrameWriter<Frame>
  /** Room for a frame that is not a message, held until the client has read it. @throws Error when there is no room */
  room(bytes: number): Disposable
  /** Called when a full outlet is writable again. */
  onDrain(): void
  /** Called when the client has read nothing for `slowClientMs`, or when there is no room for the answers it causes. */
  onTooSlow(): void
}

export type OutletLimits = Pick<Limits, 'maxSocketBufferBytes' | 'slowClientMs'>

export function createOutlet<Frame = ServerFrame>(limits: OutletLimits, components: OutletComponents<Frame>): Outlet<Frame> {
  return new BoundedOutlet(limits, components)
}

// A class, like every object here that exists per client: an object literal with accessors is slow and takes some
// hundred bytes more.
class BoundedOutlet<Frame> implements Outlet<Frame> {
  readonly #limits: OutletLimits
  readonly #components: OutletComponents<Frame>
  /** Runs while the client is blocked. */
  #patience: NodeJS.Timeout | undefined

  constructor(limits: OutletLimits, components: OutletComponents<Frame>) {
    this.#limits = limits
    this.#components = components
  }

  get writable(): boolean {
    return !this.isBlocked && this.#components.sink.isOpen
  }

  get isBlocked(): boolean {
    return this.#patience !== undefined
  }

  send(frame: Frame): void {
    const { writer } = this.#components
    if (!this.isBlocked) this.#write(writer.write(frame))
    else this.#writeBehind(writer.write(frame))
  }

  sendEntry(entry: Entry, format: EntryFormat): void {
    this.#write(this.#components.writer.writeEntry(entry, format))
  }

  sendEntries(entries: readonly Entry[], format: EntryFormat): void {
    const [only] = entries
    if (only === undefined) return
    if (entries.length === 1) this.sendEntry(only, format)
    else this.#write(joinedFrames(this.#components.writer, entries, format))
  }

  sendMany(next: () => Frame | undefined): void {
    const { sink, writer } = this.#components
    const frames: Buffer[] = []
    let bytes = 0
    while (this.writable && sink.bufferedBytes + bytes <= this.#limits.maxSocketBufferBytes) {
      const frame = next()
      if (frame === undefined) break
      const written = writer.write(frame)
      frames.push(typeof written === 'string' ? Buffer.from(written) : written)
      bytes += frames.at(-1)?.length ?? 0
    }
    if (frames.length > 0) this.#write(Buffer.concat(frames, bytes))
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

  /** Writes behind a full buffer. The buffer itself holds one step of messages; everything behind it takes room. */
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
      // Frames that were written later are still in the buffer.
      sink.whenWritten(() => this.#drained())
      return
    }
    clearTimeout(this.#patience)
    this.#patience = undefined
    onDrain()
  }
}
