import { randomBytes } from 'node:crypto'
import type { Connection, Stream } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { PeerNotConnected, PeerUnreachable } from '../../errors.ts'
import { createDeadline } from '../../lib/deadline.ts'
import type { Node } from './node.ts'
import { isUnsupportedProtocol } from './stream-io.ts'
import { directFirst } from './transport/direct-first.ts'

/** https://github.com/libp2p/specs/blob/master/ping/ping.md */
export const pingProtocol = '/ipfs/ping/1.0.0'
export const pingBytes = 32

export async function openPing(connection: Connection, signal: AbortSignal): Promise<Stream> {
  return await connection.newStream([pingProtocol], { signal, runOnLimitedConnection: true })
}

/**
 * Resolves when the peer's program has answered, even if it does not support ping. A completed handshake proves less:
 * with QUIC a thread of the library completes it while the program itself is blocked. @throws Error without an answer
 */
export async function untilAnswered(connection: Connection, signal: AbortSignal): Promise<void> {
  try {
    await pingOver(connection, signal)
  } catch (error) {
    if (!isUnsupportedProtocol(error)) throw error
  }
}

/**
 * The round trip on a connection, in fractional milliseconds. libp2p's own ping counts whole ones, and dials peers
 * without a link.
 */
export async function pingOver(connection: Connection, signal: AbortSignal): Promise<number> {
  const stream = await openPing(connection, signal)
  const abort = () => stream.abort(new Error('the answer did not come in time'))
  signal.addEventListener('abort', abort)
  try {
    const sent = randomBytes(pingBytes)
    const start = performance.now()
    stream.send(sent)
    const answer = await readBytes(stream, pingBytes)
    const latency = performance.now() - start
    if (!answer.equals(sent)) throw new Error('the answer is not what was sent')
    await stream.close({ signal })
    return latency
  } finally {
    signal.removeEventListener('abort', abort)
    if (stream.status === 'open' && stream.writeStatus === 'writable') stream.abort(new Error('the ping failed'))
  }
}

/** The `ping` of the contract. */
export async function pingPeer(
  node: Node | undefined,
  peerId: string,
  { signal, timeoutMs }: { signal: AbortSignal; timeoutMs: number },
): Promise<number> {
  signal.throwIfAborted()
  const [connection] = directFirst(node?.getConnections(peerIdFromString(peerId)) ?? [])
  if (connection === undefined) throw new PeerNotConnected('There is no link to this peer; dial it first.')
  using deadline = createDeadline(timeoutMs, [signal])
  try {
    const latencyMs = await pingOver(connection, deadline.signal)
    connection.rtt = latencyMs
    return latencyMs
  } catch (cause) {
    signal.throwIfAborted()
    throw new PeerUnreachable('The peer did not answer the ping.', { cause })
  }
}

async function readBytes(stream: Stream, count: number): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of stream) {
    chunks.push(chunk.subarray())
    length += chunk.byteLength
    if (length >= count) return Buffer.concat(chunks)
  }
  throw new Error('the peer closed the stream')
}
