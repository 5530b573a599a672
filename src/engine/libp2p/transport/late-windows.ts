import { type StreamMuxer, StreamStateError } from '@libp2p/interface'

/** Internals of the yamux muxer. QUIC's has none of them, and needs none. */
interface YamuxParts {
  sendFrame?(header: { type: number; flag: number }, data?: unknown): boolean
}

/** https://github.com/hashicorp/yamux/blob/master/spec.md */
const windowUpdate = 1
const goAway = 3
/** Flags that end a stream: FIN and RST. */
const ends = 4 | 8

/**
 * Drops a stream's window update when its connection has ended. A stream that is paused at that moment still has to
 * be resumed, since it holds data that was received. yamux then extends its window, and throws because it cannot be
 * sent (`sendResume` in @chainsafe/libp2p-yamux, dist/src/stream.js). In a listener that would end the process.
 *
 * The same holds for the goodbye of a muxer that is aborted by a frame when its connection can be written to no longer
 * (`abort` in dist/src/muxer.js).
 */
export function dropLateWindows(muxer: StreamMuxer & YamuxParts): void {
  const { sendFrame } = muxer
  if (sendFrame === undefined) return
  muxer.sendFrame = (header, data) => {
    try {
      return sendFrame.call(muxer, header, data)
    } catch (error) {
      if (error instanceof StreamStateError && isOfNoUse(header)) return false
      throw error
    }
  }
}

function isOfNoUse({ type, flag }: { type: number; flag: number }): boolean {
  return type === goAway || (type === windowUpdate && (flag & ends) === 0)
}
