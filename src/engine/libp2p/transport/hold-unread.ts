import type { Stream } from '@libp2p/interface'

/** Internals of a stream; each use checks that they exist. */
interface BufferedStream {
  /** Hands what has been read to the reader, if there is one and it has not paused the stream. */
  dispatchReadBuffer?(): void
}

/** Bytes that wait for a reader, above which no more are read. */
const unreadBytes = 65_536

/**
 * Pauses a stream that has no reader while more comes: libp2p negotiates its protocol, writes that down, and only then
 * hands it over. By itself it reads on meanwhile, and the stream fails with everything in it once its buffer is full.
 */
export function holdUnread(stream: Stream & BufferedStream): void {
  const { dispatchReadBuffer, addEventListener } = stream
  if (dispatchReadBuffer === undefined) return
  let isHeld = false
  stream.dispatchReadBuffer = () => {
    dispatchReadBuffer.call(stream)
    if (stream.readStatus !== 'readable' || stream.readBufferLength <= unreadBytes) return
    isHeld = true
    stream.pause()
  }
  stream.addEventListener = (...args: Parameters<typeof addEventListener>) => {
    addEventListener.apply(stream, args)
    if (args[0] !== 'message' || !isHeld) return
    isHeld = false
    if (stream.readStatus === 'paused') stream.resume()
  }
}
