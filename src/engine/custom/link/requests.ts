import { encode } from 'cborg'
import type { Logger } from 'pino'
import { PeerUnreachable, ProtocolUnsupported } from '../../../errors.ts'
import { createDeadline } from '../../../lib/deadline.ts'
import type { Limits } from '../../../limits.ts'
import { bodyShare } from '../../bodies.ts'
import type { Teller } from '../../dial/tellers.ts'
import type { RequestOptions } from '../../engine.ts'
import { ProtocolViolation } from '../wire/frame-stream.ts'
import { requestPrices } from './frame-prices.ts'
import { frameTypes } from './frame-types.ts'
import type { Handled, Handlers } from './handlers.ts'
import { IncomingBody } from './incoming-body.ts'
import { type AnswerHead, decodeAnswer, decodeRequest, idBytes, type Numbered, numbered } from './request-frames.ts'
import type { SecureChannel } from './secure-channel.ts'

/**
 * Requests in both directions on one link, each numbered by the asking end. A request and an answer announce their
 * length first, so that a body that is too long is refused before it arrives. Bodies are sent in pieces, so that other
 * frames can go between them.
 */
export interface Requests {
  /** @throws ProtocolUnsupported, PeerUnreachable, the signal's reason */
  request(protocol: string, body: Uint8Array, options: RequestOptions): Promise<Uint8Array>
  /** Takes a frame of one of the request types. Returns whether a request waits for it. @throws ProtocolViolation */
  receive(type: number, body: Buffer): boolean
  /** Whether no request of either end is in progress. */
  readonly isIdle: boolean
  /** Rejects and aborts all requests, because the link is closed. */
  close(): void
}

export type RequestLimits = Pick<Limits, 'requestTimeoutMs' | 'maxStreamsPerConnection'>

/** Bytes of a body in one frame, and maximum bytes that wait on the link before the next frame. */
const pieceBytes = 32_768
const maxWaitingBytes = 262_144

/**
 * The abort reason after an answer. Created once, since creating an error costs more than passing on a short request.
 */
const answered = new Error('the request was answered')

interface Asked {
  maxAnswerBytes: number
  answer: PromiseWithResolvers<Uint8Array>
  body?: IncomingBody
}

interface Serving {
  handled: Handled
  /** Disposed once it is whole. */
  body: IncomingBody
  gone: AbortController
  /** Milliseconds of the monotonic clock. */
  begunAt: number
  /** The timer for the body, then for the request. */
  late: NodeJS.Timeout
}

export function createRequests(
  init: { limits: RequestLimits; from: string; seen: Teller },
  components: { channel: SecureChannel; handlers: Handlers; charge(units: number): void; onIdle(): void; logger: Logger },
): Requests {
  const { limits, from, seen } = init
  const { channel, handlers, charge, onIdle, logger } = components
  const asked = new Map<number, Asked>()
  const serving = new Map<number, Serving>()
  const asker = () => handlers.askerOf(from, seen)
  let lastId = 0
  let closed: Error | undefined

  /** Sends all pieces that the link has room for in this turn, together with frames that were written before. */
  async function sendBody(type: number, id: number, body: Uint8Array, signal: AbortSignal): Promise<void> {
    const number = idBytes(id)
    for (let start = 0; start === 0 || start < body.length; start += pieceBytes) {
      if (channel.waitingBytes > maxWaitingBytes) await channel.drained(maxWaitingBytes, signal)
      channel.write(type, number, body.subarray(start, start + pieceBytes))
    }
  }

  function onRequest(bytes: Buffer): void {
    const { id, protocol, length } = decodeRequest(bytes)
    if (serving.has(id)) throw new ProtocolViolation('the number of a request that is still being served')
    const handled = handlers.get(protocol)
    if (handled === undefined) refuse(id, 'unsupported')
    else if (!fits(handled, length)) refuse(id, 'failed')
    else begin(id, handled, length)
  }

  function fits({ options }: Handled, length: number): boolean {
    return options.admits?.(from) !== false && length <= options.maxRequestBytes && serving.size < limits.maxStreamsPerConnection
  }

  /** An announced request takes an entry only. The memory of its body is counted as the pieces arrive. */
  function begin(id: number, handled: Handled, length: number): void {
    const held = handlers.bodies.begin(asker(), () => giveUp(id, entry, 'bodies of other peers need the room'))
    if (held === undefined) {
      refuse(id, 'failed')
      return
    }
    const gone = new AbortController()
    // A body that does not arrive, or arrives a byte at a time, times out long before the request would.
    const late = setTimeout(() => giveUp(id, entry, 'the body timed out'), limits.requestTimeoutMs * bodyShare)
    const entry: Serving = { handled, body: new IncomingBody(length, held), gone, late, begunAt: performance.now() }
    serving.set(id, entry)
  }

  const isIdle = () => asked.size === 0 && serving.size === 0

  function noteEnd(): void {
    if (isIdle()) onIdle()
  }

  function refuse(id: number, refused: 'unsupported' | 'failed'): void {
    charge(requestPrices[refused])
    channel.write(frameTypes.answer, encode({ id, refused }))
  }

  function giveUp(id: number, entry: Serving, reason: string): void {
    if (finish(id, entry, new Error(reason))) refuse(id, 'failed')
  }

  /** Returns whether the request was still being served. A running handler keeps its place until it returns. */
  function finish(id: number, entry: Serving, reason: Error): boolean {
    if (serving.get(id) !== entry) return false
    serving.delete(id)
    clearTimeout(entry.late)
    entry.body[Symbol.dispose]()
    entry.gone.abort(reason)
    noteEnd()
    return true
  }

  async function serve(id: number, entry: Serving, body: Buffer): Promise<void> {
    const { signal } = entry.gone
    clearTimeout(entry.late)
    entry.body[Symbol.dispose]()
    const leftMs = limits.requestTimeoutMs - (performance.now() - entry.begunAt)
    entry.late = setTimeout(() => giveUp(id, entry, 'the request timed out'), leftMs)
    try {
      const answer = await work(entry.handled, body, signal)
      if (serving.get(id) !== entry) return
      using held = handlers.bodies.begin(asker(), () => giveUp(id, entry, 'bodies of other peers need the room'))
      if (held?.add(answer.length) !== true) throw new Error('unread answers have used up the memory share of the peer')
      channel.write(frameTypes.answer, encode({ id, length: answer.length }))
      await sendBody(frameTypes.answerBody, id, answer, signal)
      finish(id, entry, answered)
    } catch (err) {
      logger.debug({ err }, 'failed to answer a request of a peer')
      giveUp(id, entry, 'the request failed')
    }
  }

  async function work({ handler, places }: Handled, body: Buffer, signal: AbortSignal): Promise<Uint8Array> {
    using place = places.take(asker(), body.length)
    if (place === undefined) throw new Error('too many concurrent requests of this protocol')
    return await handler({ from, body, signal })
  }

  function onAnswer(bytes: Buffer): boolean {
    const answer = decodeAnswer(bytes)
    const waiting = asked.get(answer.id)
    if (waiting === undefined) return false
    takeAnswer(answer, waiting)
    return true
  }

  function takeAnswer(answer: AnswerHead, waiting: Asked): void {
    if ('length' in answer && answer.length <= waiting.maxAnswerBytes) {
      const full = () => waiting.answer.reject(new Error('the memory for bodies of peers is full'))
      const held = handlers.bodies.begin(asker(), full)
      waiting.body?.[Symbol.dispose]()
      if (held === undefined) full()
      else waiting.body = new IncomingBody(answer.length, held)
      return
    }
    asked.delete(answer.id)
    if ('refused' in answer && answer.refused === 'unsupported') {
      waiting.answer.reject(new ProtocolUnsupported('The peer does not support this protocol.'))
    } else {
      waiting.answer.reject(new Error('refused' in answer ? 'the peer failed to answer' : 'the answer is too long'))
      channel.write(frameTypes.cancel, idBytes(answer.id))
    }
  }

  function onRequestBody({ id, rest }: Numbered): boolean {
    const entry = serving.get(id)
    const body = entry?.body.take(rest)
    if (entry !== undefined && body === 'full') giveUp(id, entry, 'the bodies of this peer have used up its memory share')
    else if (entry !== undefined && body instanceof Buffer) void serve(id, entry, body)
    return entry !== undefined
  }

  function onAnswerBody({ id, rest }: Numbered): boolean {
    const entry = asked.get(id)
    const body = entry?.body?.take(rest)
    if (body === 'full') entry?.answer.reject(new Error('the bodies of this peer have used up its memory share'))
    else if (body !== undefined) entry?.answer.resolve(body)
    return entry?.body !== undefined
  }

  function onCancel(id: number): boolean {
    const entry = serving.get(id)
    if (entry === undefined || !finish(id, entry, new Error('the peer cancelled the request'))) return false
    charge(requestPrices.cancelled)
    return true
  }

  return {
    async request(protocol, body, { signal, maxAnswerBytes }) {
      signal.throwIfAborted()
      if (closed !== undefined) throw new PeerUnreachable('The peer did not answer the request.', { cause: closed })
      const id = ++lastId % 0x1_0000_0000
      const answer = Promise.withResolvers<Uint8Array>()
      asked.set(id, { maxAnswerBytes, answer })
      using deadline = createDeadline(limits.requestTimeoutMs, [signal])
      deadline.signal.addEventListener('abort', () => answer.reject(deadline.signal.reason))
      const over = new AbortController()
      try {
        channel.write(frameTypes.request, encode({ id, protocol, length: body.length }))
        // A refusal may arrive before the whole body is sent.
        return await Promise.race([answer.promise, sendBody(frameTypes.requestBody, id, body, over.signal).then(() => answer.promise)])
      } catch (cause) {
        if (asked.has(id)) channel.write(frameTypes.cancel, idBytes(id))
        signal.throwIfAborted()
        if (cause instanceof ProtocolUnsupported) throw cause
        throw new PeerUnreachable('The peer did not answer the request.', { cause })
      } finally {
        asked.get(id)?.body?.[Symbol.dispose]()
        asked.delete(id)
        answer.promise.catch(() => undefined)
        // Stops sending the rest of the body.
        over.abort(answered)
        noteEnd()
      }
    },
    receive(type, bytes) {
      switch (type) {
        case frameTypes.request:
          onRequest(bytes)
          return true
        case frameTypes.requestBody:
          return onRequestBody(numbered(bytes))
        case frameTypes.answer:
          return onAnswer(bytes)
        case frameTypes.answerBody:
          return onAnswerBody(numbered(bytes))
        default:
          return onCancel(numbered(bytes).id)
      }
    },
    get isIdle() {
      return isIdle()
    },
    close() {
      closed = new Error('the link was closed')
      for (const { answer } of asked.values()) answer.reject(closed)
      for (const [id, entry] of [...serving]) finish(id, entry, closed)
    },
  }
}
