import { type MessageStream, type StreamMuxer, StreamStateError } from '@libp2p/interface'
import { createLoopTurns, type LoopTurns } from '../../../lib/loop-turns.ts'

/** Internals of the yamux muxer. QUIC's has none of them: its frames are handled outside of the event loop. */
interface YamuxParts {
  readonly decoder?: {
    readonly buffer: { append(data: unknown): void }
    readFrame?(): unknown
  }
  onData?(data: unknown): void
  handleFrame?(frame: unknown): void
}

/** What the type of a connection does not show of it. */
interface PausedParts {
  readStatus?: string
}

/** The turns of frames of all connections: one for the process, since the process has one event loop. */
const muxerTurns = createLoopTurns({ turnMs: 2, sliceMs: 0.25 }, { now: () => performance.now(), afterOthers: setImmediate })

/**
 * Makes a muxer that handles its frames in turns with those of other connections and with all other work. By itself it
 * handles all that has arrived at once, which are thousands of frames when each has a byte of data. A connection with
 * frames that wait is not read.
 */
export function muxerInTurns(
  connection: MessageStream & PausedParts,
  create: () => StreamMuxer & YamuxParts,
  { turns = muxerTurns }: { turns?: LoopTurns } = {},
): StreamMuxer {
  let isWaiting = false
  let isPaused = false
  let isResuming = false
  // Before the muxer's own listener, which ends its streams: what has arrived belongs to them.
  connection.addEventListener('close', () => {
    isWaiting &&= connection.status !== 'aborted'
    while (isWaiting) handleNext()
    resume()
  })
  const muxer = create()
  const { decoder } = muxer
  if (decoder?.readFrame === undefined || muxer.handleFrame === undefined) return muxer
  muxer.onData = (data) => {
    decoder.buffer.append(data)
    isWaiting = true
    turns.run(handleNext)
    pause()
  }
  return muxer

  function pause(): void {
    if (!isWaiting || isPaused || isResuming || connection.readStatus !== 'readable') return
    isPaused = true
    connection.pause()
  }

  function handleNext(): boolean {
    try {
      const frame = decoder?.readFrame?.()
      isWaiting = frame !== undefined
      if (isWaiting) muxer.handleFrame?.(frame)
    } catch (error) {
      if (!isTooLate(error)) end(error instanceof Error ? error : new Error(String(error)))
    }
    if (!isWaiting) resume()
    return isWaiting
  }

  /** An answer to a frame that was handled after the end of its connection. */
  function isTooLate(error: unknown): boolean {
    return error instanceof StreamStateError && connection.status !== 'open'
  }

  function end(error: Error): void {
    isWaiting = false
    try {
      muxer.abort(error)
    } catch (late) {
      if (!isTooLate(late)) throw late
    } finally {
      connection.abort(error)
    }
  }

  function resume(): void {
    if (!isPaused) return
    isPaused = false
    if (connection.readStatus !== 'paused') return
    // It hands over what has arrived, and then reads its socket again, also if it was paused in between.
    isResuming = true
    try {
      connection.resume()
    } catch (error) {
      // The socket has ended meanwhile.
      if (!(error instanceof StreamStateError)) throw error
    } finally {
      isResuming = false
    }
    pause()
  }
}
