import type { Stream, StreamMuxer } from '@libp2p/interface'

/** The native stream that a QUIC stream reads from. */
interface NativeStream {
  id(): string
  read(maxBytes: number): Promise<unknown>
}

/** Internals of the QUIC muxer; each use checks that they exist. */
interface QuicParts {
  onInboundStream?(native: NativeStream): void
}

/** Calls from a stream to its muxer. */
interface Pausing {
  sendPause?(): void
  sendResume?(): void
}

/**
 * Makes inbound QUIC streams stop reading while paused, so that QUIC's own windows hold the peer back. By itself
 * @chainsafe/libp2p-quic continues to read (dist/src/stream.js), and a paused stream fails with everything in it once
 * its buffer is full.
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
