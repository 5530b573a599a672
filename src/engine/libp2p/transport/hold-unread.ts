import type { Stream } from '@libp2p/interface'

/** Internals of a stream; each use checks that they exist. */
interface BufferedStream {
  /** Hands what has been read to the reader, if there is one and it has not paused the stream. */
  dispatchReadBuffer?(): void
  readonly readBuffer?: { slice(): Uint8Array; consume(bytes: number): void; append(bytes: Uint8Array): void }
}

/** Bytes that wait for a reader, above which no more are read. */
const unreadBytes = 65_536
/** Pieces of what waits after which these become one, if they have fewer bytes each: an entry of a list takes some 150. */
const maxPieces = 256
const smallPieceBytes = 512

/**
 * Pauses a stream that has no reader while more comes: libp2p negotiates its protocol, writes that down, and only then
 * hands it over. By itself it reads on meanwhile, and the stream fails with everything in it once its buffer is full.
 * What waits takes little more memory than it has bytes.
 */
export function holdUnread(stream: Stream & BufferedStream): void {
  const { dispatchReadBuffer, readBuffer, addEventListener } = stream
  if (dispatchReadBuffer === undefined) return
  let isHeld = false
  let pieces = 0

  /** A peer whose frames have a byte each would have this node hold a hundred times what it counts. */
  function packUnread(): void {
    const bytes = stream.readBufferLength
    pieces = bytes === 0 ? 0 : pieces + 1
    if (pieces < maxPieces || readBuffer === undefined) return
    if (bytes < pieces * smallPieceBytes) {
      const packed = readBuffer.slice()
      readBuffer.consume(bytes)
      readBuffer.append(packed)
    }
    pieces = 1
  }

  function letGo(): void {
    const wasHeld = isHeld
    isHeld = false
    if (wasHeld && stream.readStatus === 'paused') stream.resume()
  }

  stream.dispatchReadBuffer = () => {
    dispatchReadBuffer.call(stream)
    packUnread()
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
