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

  function letGo(): void {
    const wasHeld = isHeld
    isHeld = false
    if (wasHeld && stream.readStatus === 'paused') stream.resume()
  }

  stream.dispatchReadBuffer = () => {
    dispatchReadBuffer.call(stream)
    if (stream.readStatus !== 'readable' || stream.readBufferLength <= unreadBytes) return
    isHeld = true
    stream.pause()
  }
  stream.addEventListener = (...args: Parameters<typeof addEventListener>) => {
    addEventListener.apply(stream, args)
    // A reader may listen before the rest of it is there, so it is given nothing inside this call, as by libp2p.
    if (args[0] === 'message' && isHeld) queueMicrotask(letGo)
  }
}
