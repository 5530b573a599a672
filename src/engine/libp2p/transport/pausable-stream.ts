import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Stream } from '@libp2p/interface'

/** A stream that is read piece by piece and whose peer is held back meanwhile: its window is not extended. */
export interface PausableStream {
  /** Stops reading from the peer until everything received has been consumed and more is requested. */
  pause(): void
  /** Yields the pieces that are parsed from the stream. The reader must have been attached after `makePausable`. */
  read<Piece>(pieces: AsyncIterable<Piece>): AsyncGenerator<Piece>
}

export function makePausable(stream: Stream): PausableStream {
  // Unread data would be lost at the end of the stream: these listeners run before those of the reader.
  stream.addEventListener('remoteCloseWrite', resume)
  stream.addEventListener('close', resume)

  function resume(): void {
    if (stream.readStatus === 'paused') stream.resume()
  }

  return {
    pause() {
      if (stream.readStatus === 'readable' && stream.remoteWriteStatus === 'writable') stream.pause()
    },
    async *read(pieces) {
      const reader = pieces[Symbol.asyncIterator]()
      try {
        for (;;) {
          const next = reader.next()
          if (stream.readStatus === 'paused' && !(await isThere(next))) resume()
          const { value, done } = await next
          if (done === true) return
          yield value
        }
      } finally {
        await reader.return?.()
      }
    },
  }
}

/** Whether the next piece is complete already. */
async function isThere(next: Promise<unknown>): Promise<boolean> {
  return await Promise.race([next.then(() => true), nextTurn(false)])
}
