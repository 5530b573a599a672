import type { Stream } from '@libp2p/interface'
import { createDeadline } from '../../lib/deadline.ts'
import { type GatheredBytes, gatherBytes } from '../../lib/gathered-bytes.ts'
import type { HeldBody } from '../bodies.ts'

/**
 * One message on a stream: its length as 4 bytes, big endian, then its bytes. A stream that ends with its connection
 * looks like one that ended properly, so only the length tells whether a message is complete.
 */
const headerBytes = 4

/** Maximum bytes given to a stream at once, and queued in it. */
const chunkBytes = 65_536

/** Writes a message at the pace of the other end. @throws Error when the stream closes first */
export async function writeMessage(stream: Stream, bytes: Uint8Array, signal: AbortSignal): Promise<void> {
  const header = Buffer.alloc(headerBytes)
  header.writeUInt32BE(bytes.length)
  // The length and the first chunk leave together.
  stream.send(Buffer.concat([header, bytes.subarray(0, chunkBytes)]))
  for (let start = chunkBytes; start < bytes.length; start += chunkBytes) {
    await untilDrained(stream, signal)
    stream.send(bytes.subarray(start, start + chunkBytes))
  }
}

/** Waits until less than one chunk is queued in the stream. (`onDrain` of libp2p waits for the first drain only.) */
async function untilDrained(stream: Stream, signal: AbortSignal): Promise<void> {
  while (stream.writeBufferLength >= chunkBytes) {
    signal.throwIfAborted()
    await new Promise<void>((resolve) => {
      const events = ['drain', 'idle', 'close'] as const
      function moved(): void {
        for (const event of events) stream.removeEventListener(event, moved)
        signal.removeEventListener('abort', moved)
        resolve()
      }
      for (const event of events) stream.addEventListener(event, moved)
      signal.addEventListener('abort', moved)
    })
  }
}

/**
 * Reads a message, and counts its memory as it arrives.
 * @throws Error when it exceeds `maxBytes`, there is no room for it, or the stream ends early
 */
export async function readMessage(stream: Stream, maxBytes: number, held: HeldBody): Promise<Uint8Array> {
  const header = gatherBytes(headerBytes)
  let body: GatheredBytes | undefined
  for await (const chunk of stream) {
    let bytes = chunk.subarray()
    if (body === undefined) {
      const taken = Math.min(header.missing, bytes.length)
      header.add(bytes.subarray(0, taken))
      if (header.missing > 0) continue
      bytes = bytes.subarray(taken)
      const length = header.bytes.readUInt32BE()
      if (length > maxBytes) throw new Error(`a message of ${length} bytes exceeds the maximum of ${maxBytes}`)
      body = gatherBytes(length)
    }
    const before = body.room
    body.add(bytes.subarray(0, body.missing))
    if (body.missing === 0) return body.bytes
    if (!held.add(body.room - before)) throw new Error('bodies of this peer have reached its share of the memory')
  }
  throw new Error('the stream ended before the end of the message')
}

/** Milliseconds that an unused stream may take to close. */
const closeMs = 10_000

/**
 * Runs `work` on a stream, then closes the stream without waiting; aborts it when the signal fires or the work fails.
 */
export async function withStream<Result>(stream: Stream, signal: AbortSignal, work: () => Promise<Result>): Promise<Result> {
  const abort = () => stream.abort(asError(signal.reason))
  signal.addEventListener('abort', abort)
  try {
    signal.throwIfAborted()
    const result = await work()
    void close(stream)
    return result
  } catch (error) {
    stream.abort(asError(error))
    throw error
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

async function close(stream: Stream): Promise<void> {
  using deadline = createDeadline(closeMs, [])
  await stream.close({ signal: deadline.signal }).catch((err: unknown) => stream.abort(asError(err)))
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason))
}

/** Whether this is what libp2p throws when the peer does not speak the protocol of a stream. */
export function isUnsupportedProtocol(error: unknown): boolean {
  return error instanceof Error && error.name === 'UnsupportedProtocolError'
}
