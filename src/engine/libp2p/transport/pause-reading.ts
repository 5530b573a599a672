import type { Stream, StreamMuxer } from '@libp2p/interface'

/** What a stream of QUIC reads from. */
interface NativeStream {
  id(): string
  read(maxBytes: number): Promise<unknown>
}

/** Parts of a muxer of QUIC; it is asked before every use whether they are there. */
interface QuicParts {
  onInboundStream?(native: NativeStream): void
}

/** What a stream tells its muxer. */
interface Pausing {
  sendPause?(): void
  sendResume?(): void
}

/**
 * Has the streams that a peer opens over QUIC read nothing while they are paused, so that QUIC's own windows hold the peer back. By itself
 * @chainsafe/libp2p-quic reads on (dist/src/stream.js), and a stream that is paused fails with everything in it once its buffer is full.
 */
export function pauseReading(muxer: StreamMuxer & QuicParts): void {
  const { onInboundStream } = muxer
  if (onInboundStream === undefined) return
  muxer.onInboundStream = (native) => {
    let paused: PromiseWithResolvers<void> | undefined
    const { read } = native
    native.read = async (maxBytes) => {
      await paused?.promise
      return await read.call(native, maxBytes)
    }
    onInboundStream.call(muxer, native)
    const stream: (Stream & Pausing) | undefined = muxer.streams.find(({ id }) => id === native.id())
    if (stream === undefined) return
    stream.sendPause = () => {
      paused ??= Promise.withResolvers()
    }
    stream.sendResume = () => {
      paused?.resolve()
      paused = undefined
    }
  }
}
