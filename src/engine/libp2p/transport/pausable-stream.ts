import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Stream } from '@libp2p/interface'

/** A stream that is read piece by piece, and whose peer is held back meanwhile: no window is given to it. */
export interface PausableStream {
  /** Nothing more is taken from the peer, until everything that has come is read and more is asked for. */
  pause(): void
  /** The pieces that are made of what comes. To be made by a reader that listens to the stream since it was made pausable, not before. */
  read<Piece>(pieces: AsyncIterable<Piece>): AsyncGenerator<Piece>
}

export function makePausable(stream: Stream): PausableStream {
  // What a stream holds unread when it ends would go with it: these listeners come before those of whoever reads it.
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

/** Whether it is made of what has come already. */
async function isThere(next: Promise<unknown>): Promise<boolean> {
  return await Promise.race([next.then(() => true), nextTurn(false)])
}
