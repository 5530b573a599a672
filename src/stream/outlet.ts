import type { EntryFormat, FrameWriter } from './codec.ts'
import type { Entry } from './entry.ts'
import type { ServerFrame } from './frames.ts'

/**
 * The sending side of one client. It never holds back a frame: whoever sends much asks `writable` first and waits for the drain, so
 * that what a slow client costs is bounded by the buffer below.
 */
export interface Outlet {
  /** False while more is waiting below than the limit. */
  readonly writable: boolean
  /** Since when the client has not been writable (milliseconds of the monotonic clock), or undefined. */
  readonly blockedSince: number | undefined
  send(frame: ServerFrame): void
  sendEntry(entry: Entry, format: EntryFormat): void
}

/** What an outlet writes to: a socket with a buffer of its own. */
export interface Sink {
  readonly isOpen: boolean
  readonly bufferedBytes: number
  /** `written` is called when the bytes have left the buffer. */
  write(frame: Buffer | string, written?: () => void): void
  /** Calls when everything written before has left the buffer. */
  whenWritten(written: () => void): void
}

export function createOutlet(
  init: { maxSocketBufferBytes: number },
  components: { sink: Sink; writer: FrameWriter; onDrain(): void },
): Outlet {
  const { sink, writer, onDrain } = components
  let blockedSince: number | undefined

  function drained(): void {
    if (blockedSince === undefined) return
    if (sink.bufferedBytes > init.maxSocketBufferBytes / 2 && sink.isOpen) {
      // Some other frame is still on its way.
      sink.whenWritten(drained)
      return
    }
    blockedSince = undefined
    onDrain()
  }

  function write(frame: Buffer | string): void {
    if (!sink.isOpen) return
    if (blockedSince === undefined && sink.bufferedBytes + frame.length > init.maxSocketBufferBytes) {
      blockedSince = performance.now()
      sink.write(frame, drained)
    } else {
      sink.write(frame)
    }
  }

  return {
    get writable() {
      return blockedSince === undefined && sink.isOpen
    },
    get blockedSince() {
      return blockedSince
    },
    send: (frame) => write(writer.write(frame)),
    sendEntry: (entry, format) => write(writer.writeEntry(entry, format)),
  }
}
