import type { Connection, Stream } from '@libp2p/interface'
import type { Logger } from 'pino'
import { createDeadline } from '../../deadline.ts'
import { PeerNotConnected, PeerUnreachable, ProtocolUnsupported } from '../../errors.ts'
import type { HandleOptions, RequestHandler, RequestOptions } from '../engine.ts'
import type { Node } from './node.ts'
import { readMessage, withStream, writeMessage } from './stream-io.ts'

/** Requests to peers and of peers, each on a stream of its own: one message there, one message back. */
export interface Protocols {
  request(node: Node | undefined, peerId: string, protocol: string, body: Uint8Array, options: RequestOptions): Promise<Uint8Array>
  handle(protocol: string, handler: RequestHandler, options: HandleOptions): void
  unhandle(protocol: string): void
  /** Has a node answer what is handled, before it starts. */
  register(node: Node): Promise<void>
}

interface Handled {
  handler: RequestHandler
  options: HandleOptions
  /** Being worked on, and the bytes of their bodies. */
  open: number
  bytes: number
}

export function createProtocols(init: { limits: { requestTimeoutMs: number } }, components: { log: Logger }): Protocols {
  const { requestTimeoutMs } = init.limits
  const { log } = components
  const handled = new Map<string, Handled>()
  let running: Node | undefined

  async function answer(protocol: string, stream: Stream, connection: Connection): Promise<void> {
    const entry = handled.get(protocol)
    const from = connection.remotePeer.toString()
    if (entry === undefined || entry.open >= entry.options.maxConcurrent || entry.options.admits?.(from) === false) {
      stream.abort(new Error('no requests of this peer, or too many at once'))
      return
    }
    const { handler, options } = entry
    const gone = new AbortController()
    const onGone = () => gone.abort(new Error('the peer gave the request up'))
    // Who asks keeps the stream open until the answer is there. A QUIC stream that was reset says only that no more comes.
    for (const event of ends) stream.addEventListener(event, onGone)
    using deadline = createDeadline(requestTimeoutMs, [gone.signal])
    const { signal } = deadline
    let bytes = 0
    const admit = (length: number) => {
      if (entry.bytes + length > (options.maxConcurrentBytes ?? Number.POSITIVE_INFINITY))
        throw new Error('too many bytes of requests at once')
      bytes = length
      entry.bytes += length
    }
    entry.open++
    try {
      await withStream(stream, signal, async () => {
        const body = await readMessage(stream, options.maxRequestBytes, admit)
        await writeMessage(stream, await handler({ from, body, signal }), signal)
      })
    } catch (err) {
      log.debug({ err, protocol }, 'a request of a peer was not answered')
    } finally {
      for (const event of ends) stream.removeEventListener(event, onGone)
      entry.open--
      entry.bytes -= bytes
    }
  }

  async function listen(node: Node, protocol: string): Promise<void> {
    await node.handle(protocol, (stream, connection) => answer(protocol, stream, connection), {
      maxInboundStreams: handled.get(protocol)?.options.maxConcurrent ?? 1,
      maxOutboundStreams: maxOutboundRequests,
      runOnLimitedConnection: true,
    })
  }

  return {
    async request(node, peerId, protocol, body, { signal, maxAnswerBytes }) {
      signal.throwIfAborted()
      const connection = node?.getConnections().find(({ remotePeer }) => remotePeer.toString() === peerId)
      if (connection === undefined) throw new PeerNotConnected('There is no link to this peer; dial it first.')
      const gone = new AbortController()
      const onGone = () => gone.abort(new Error('the link was closed'))
      // A stream does not always end with its connection.
      connection.addEventListener('close', onGone)
      using limit = createDeadline(requestTimeoutMs, [signal, gone.signal])
      const deadline = limit.signal
      try {
        const stream = await connection.newStream([protocol], { signal: deadline, runOnLimitedConnection: true })
        return await withStream(stream, deadline, async () => {
          await writeMessage(stream, body, deadline)
          return await readMessage(stream, maxAnswerBytes)
        })
      } catch (cause) {
        signal.throwIfAborted()
        if (cause instanceof Error && cause.name === 'UnsupportedProtocolError') {
          throw new ProtocolUnsupported('The peer does not speak this protocol.', { cause })
        }
        throw new PeerUnreachable('The peer did not answer the request.', { cause })
      } finally {
        connection.removeEventListener('close', onGone)
      }
    },
    handle(protocol, handler, options) {
      handled.set(protocol, { handler, options, open: 0, bytes: 0 })
      if (running !== undefined) void listen(running, protocol)
    },
    unhandle(protocol) {
      handled.delete(protocol)
      void running?.unhandle(protocol)
    },
    async register(node) {
      running = node
      for (const protocol of handled.keys()) await listen(node, protocol)
    },
  }
}

/** Events of a stream after which nobody waits for the answer. */
const ends = ['close', 'remoteCloseWrite'] as const

/** Requests to one peer at once, of a protocol. */
const maxOutboundRequests = 256
