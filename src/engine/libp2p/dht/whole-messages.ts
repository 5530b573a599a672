import type { Stream } from '@libp2p/interface'
import { interceptMessages } from '../intercept-messages.ts'
import { sized } from '../protobuf.ts'
import { readVarint } from './told-contacts.ts'

/**
 * Makes a stream hand on only whole messages, each behind its length, as `take` returns them. Must be called before the
 * stream has a reader. The stream is aborted with the error of a callback, or when a message is longer than `maxBytes`.
 */
export function handOnWhole(
  stream: Stream,
  init: { maxBytes: number },
  components: {
    /** Bytes have arrived. */
    onBytes?(bytes: number): void
    /** Returns what the reader gets for a message. */
    take(message: Uint8Array): Uint8Array
    /** All that has arrived was handed on, but for these bytes. */
    onTaken?(left: number): void
  },
): void {
  const { maxBytes } = init
  const { onBytes = () => undefined, take, onTaken = () => undefined } = components
  let chunks: Uint8Array[] = []
  let bytes = 0
  /** Bytes at which the next message can be complete. */
  let needed = 1

  /** The next message, if it is there. */
  function next(): Uint8Array | undefined {
    if (bytes < needed) return undefined
    const whole = chunks.length === 1 ? (chunks[0] ?? new Uint8Array()) : Buffer.concat(chunks)
    chunks = [whole]
    const length = readVarint(whole, 0)
    if (length !== undefined && length.value > maxBytes) throw new Error(`a DHT message exceeds ${maxBytes} bytes`)
    const end = length === undefined ? bytes + 1 : length.end + length.value
    if (length === undefined || bytes < end) {
      needed = end
      return undefined
    }
    chunks = [whole.subarray(end)]
    bytes -= end
    needed = 1
    return whole.subarray(length.end, end)
  }

  const handOn = interceptMessages(stream, (data) => {
    onBytes(data.length)
    chunks.push(data)
    bytes += data.length
    const taken: Uint8Array[] = []
    for (let message = next(); message !== undefined; message = next()) taken.push(sized(take(message)))
    if (taken.length === 0) return
    onTaken(bytes)
    handOn(Buffer.concat(taken))
  })
}
