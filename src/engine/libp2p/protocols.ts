import type { Connection, Stream } from '@libp2p/interface'
import type { Logger } from 'pino'
import { PeerNotConnected, PeerUnreachable, ProtocolUnsupported } from '../../errors.ts'
import { createDeadline } from '../../lib/deadline.ts'
import type { Limits } from '../../limits.ts'
import type { Asker } from '../asker.ts'
import { type Bodies, bodyShare, type HeldBody } from '../bodies.ts'
import type { HandleOptions, RequestHandler, RequestOptions } from '../engine.ts'
import type { LimitsReached } from '../limits-reached.ts'
import { createRequestSemaphore, type RequestSemaphore } from '../request-semaphore.ts'
import type { Node } from './node.ts'
import { isUnsupportedProtocol, readMessage, withStream, writeMessage } from './stream-io.ts'
import { directFirst } from './transport/direct-first.ts'

/** Outbound and inbound requests, each on its own stream: one message there, one message back. */
export interface Protocols {
  request(node: Node | undefined, peerId: string, protocol: string, body: Uint8Array, options: RequestOptions): Promise<Uint8Array>
  handle(protocol: string, handler: RequestHandler, options: HandleOptions): void
  unhandle(protocol: string): void
  /** Registers the handled protocols with a node, before it starts. */
  register(node: Registrar): Promise<void>
}

/** What a node knows of protocols. */
type Registrar = Pick<Node, 'handle' | 'unhandle'>

interface Handled {
  handler: RequestHandler
  options: HandleOptions
  /** Places of concurrent requests. */
  places: RequestSemaphore
}

export function createProtocols(
  init: { limits: Pick<Limits, 'requestTimeoutMs' | 'maxStreamsPerConnection'> },
  components: { bodies: Bodies; reached: LimitsReached; askerOf(connection: Connection): Asker; logger: Logger },
): Protocols {
  const { requestTimeoutMs, maxStreamsPerConnection } = init.limits
  const { bodies, reached, askerOf, logger } = components
  const handled = new Map<string, Handled>()
  let running: Registrar | undefined

  /** libp2p writes its own protocols into the store of peers, which can fail; it has taken the handler in or out before. */
  function noteUnannounced(err: unknown): void {
    logger.warn({ err }, 'a change of the protocols could not be stored: peers learn of it later')
  }

  /**
   * Begins to count a body on a stream, and aborts the stream if the body has to make room. @throws Error when there is
   * no room
   */
  function hold(asker: Asker, stream: Stream): HeldBody {
    const held = bodies.begin(asker, () => stream.abort(new Error('bodies of other peers need the memory')))
    if (held === undefined) throw new Error('bodies of this peer have reached its share of the memory')
    return held
  }

  /** Reads a request body. A body that is missing or arrives slowly is given up long before the request would be. */
  async function readRequest(stream: Stream, from: Asker, maxBytes: number): Promise<Uint8Array> {
    using held = hold(from, stream)
    using late = createDeadline(requestTimeoutMs * bodyShare, [])
    late.signal.addEventListener('abort', () => stream.abort(new Error('the body did not arrive in time')))
    return await readMessage(stream, maxBytes, held)
  }

  async function writeAnswer(stream: Stream, from: Asker, answer: Uint8Array, signal: AbortSignal): Promise<void> {
    using held = hold(from, stream)
    if (!held.add(answer.length)) throw new Error('unread answers to the peer have reached its share of the memory')
    await writeMessage(stream, answer, signal)
  }

  async function work({ handler, places }: Handled, asker: Asker, request: Parameters<RequestHandler>[0]): Promise<Uint8Array> {
    using place = places.take(asker, request.body.length)
    if (place === undefined) throw new Error('the maximum number of concurrent requests of this protocol is reached')
    return await handler(request)
  }

  async function answer(protocol: string, stream: Stream, connection: Connection): Promise<void> {
    const entry = handled.get(protocol)
    const asker = askerOf(connection)
    const from = asker.peerId
    if (entry === undefined || entry.options.admits?.(from) === false) {
      stream.abort(new Error('requests of this peer are not admitted'))
      return
    }
    const gone = new AbortController()
    const onGone = () => gone.abort(new Error('the peer cancelled the request'))
    // The requester keeps the stream open until it has the answer. A QUIC stream that was reset emits only
    // `remoteCloseWrite`.
    for (const event of ends) stream.addEventListener(event, onGone)
    using deadline = createDeadline(requestTimeoutMs, [gone.signal])
    const { signal } = deadline
    try {
      await withStream(stream, signal, async () => {
        const body = await readRequest(stream, asker, entry.options.maxRequestBytes)
        await writeAnswer(stream, asker, await work(entry, asker, { from, body, signal }), signal)
      })
    } catch (err) {
      logger.debug({ err, protocol }, 'a peer request was not answered')
    } finally {
      for (const event of ends) stream.removeEventListener(event, onGone)
    }
  }

  async function listen(node: Registrar, protocol: string): Promise<void> {
    await node.handle(protocol, (stream, connection) => answer(protocol, stream, connection), {
      // An incoming request takes no place before its body is complete, so only the connection's limit bounds these
      // streams.
      maxInboundStreams: maxStreamsPerConnection,
      maxOutboundStreams: maxOutboundRequests,
      runOnLimitedConnection: true,
    })
  }

  return {
    async request(node, peerId, protocol, body, { signal, maxAnswerBytes }) {
      signal.throwIfAborted()
      const [connection] = directFirst(node?.getConnections().filter(({ remotePeer }) => remotePeer.toString() === peerId) ?? [])
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
          using held = hold(askerOf(connection), stream)
          return await readMessage(stream, maxAnswerBytes, held)
        })
      } catch (cause) {
        signal.throwIfAborted()
        if (isUnsupportedProtocol(cause)) throw new ProtocolUnsupported('The peer does not speak this protocol.', { cause })
        throw new PeerUnreachable('The peer did not answer the request.', { cause })
      } finally {
        connection.removeEventListener('close', onGone)
      }
    },
    handle(protocol, handler, options) {
      const isNew = !handled.has(protocol)
      handled.set(protocol, {
        handler,
        options,
        places: createRequestSemaphore(options, { onRefused: () => reached.note('request_place') }),
      })
      if (running !== undefined && isNew) listen(running, protocol).catch(noteUnannounced)
    },
    unhandle(protocol) {
      handled.delete(protocol)
      running?.unhandle(protocol).catch(noteUnannounced)
    },
    async register(node) {
      running = node
      for (const protocol of handled.keys()) await listen(node, protocol)
    },
  }
}

/** Stream events after which the requester no longer waits for the answer. */
const ends = ['close', 'remoteCloseWrite'] as const

/** Maximum concurrent requests to one peer on one protocol. */
const maxOutboundRequests = 256
