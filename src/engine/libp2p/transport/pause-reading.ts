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

/** A call from a stream to its muxer. */
interface Resuming {
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
    let stream: (Stream & Resuming) | undefined
    let resumed = Promise.withResolvers<void>()
    const { read } = native
    native.read = async (maxBytes) => {
      while (stream?.readStatus === 'paused') await resumed.promise
      return await read.call(native, maxBytes)
    }
    // The stream is handed over, and may be paused, inside this call.
    onInboundStream.call(muxer, native)
    stream = muxer.streams.find(({ id }) => id === native.id())
    if (stream === undefined) return
    stream.sendResume = () => {
      resumed.resolve()
      resumed = Promise.withResolvers()
    }
  }
}
