import { Transform } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest, RequestPayload } from 'fastify'
import { anyoneId } from '../access/client-key.ts'
import { costOfBytes, type RateClient, type Rates } from '../access/rates.ts'
import { adopt } from '../lib/adopt-socket.ts'
import { gatherBytes } from '../lib/gathered-bytes.ts'
import { plainAddress } from '../lib/ip-network.ts'
import type { ByteRoom } from './byte-room.ts'
import { pieceBytes, stepBytes } from './rest-of-body.ts'

/** Methods whose bodies are read (`readBodies`). */
const withBody = new Set(['POST', 'PUT', 'PATCH'])

/** Maximum bytes of a body that is passed on without gathering, since it has few pieces. */
const smallBytes = 4_096

/**
 * Counts the bytes of every request, from before its body is read until it is answered, including waits for the body,
 * for peers of a topic or for a service. A body with Content-Length is refused before any of it is read, a chunked one
 * as it arrives. A body in many small pieces is gathered, since each piece would cost a hundred times its bytes in
 * memory, and charged as it arrives.
 */
export function countRequestBytes(app: FastifyInstance, components: { requestBytes: ByteRoom; rates: Rates }): void {
  const { requestBytes, rates } = components

  app.addHook('onRequest', async (request, reply) => {
    const length = lengthOf(request)
    // The body reader refuses a body above the limit without reading it.
    if (length === undefined || length > request.routeOptions.bodyLimit) return
    const held = holdUntilAnswered(reply)
    if (!held.disposed) held.use(requestBytes.take(clientOf(request), length))
  })

  app.addHook('preParsing', async (request, reply, payload) => {
    const length = lengthOf(request)
    const { bodyLimit } = request.routeOptions
    if (length === undefined || length > bodyLimit) return payload
    if (request.headers['transfer-encoding'] !== undefined) return received(payload, request, reply, { limit: bodyLimit, isCounted: false })
    return length > smallBytes ? received(payload, request, reply, { limit: length, isCounted: true }) : payload
  })

  /** The complete body in one piece. With `isCounted`, its room is already taken and its bytes are already charged. */
  function received(
    payload: RequestPayload,
    request: FastifyRequest,
    reply: FastifyReply,
    { limit, isCounted }: { limit: number; isCounted: boolean },
  ): Transform {
    const client = clientOf(request)
    const held = holdUntilAnswered(reply)
    const gathered = gatherBytes(limit)
    let room = isCounted ? limit : 0
    let unpaid = 0

    function takeRoom(bytes: number): void {
      if (bytes <= room) return
      const wanted = Math.min(limit, Math.max(bytes, stepBytes, 2 * room))
      held.use(requestBytes.take(client, wanted - room))
      room = wanted
    }

    function pay(bytes: number, least: number): void {
      unpaid += bytes
      if (unpaid < least) return
      rates.take(client, costOfBytes(unpaid))
      unpaid = 0
    }

    const body = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        try {
          // A refusal that needed no body, such as that of its type.
          if (held.disposed) throw new Error('the request was answered before its body had arrived')
          pay(pieceBytes + (isCounted ? 0 : chunk.length), stepBytes)
          if (chunk.length > gathered.missing) {
            // One byte above the limit makes the body reader refuse it.
            body.push(Buffer.concat([gathered.bytes, chunk.subarray(0, gathered.missing + 1)]))
            leaveRest()
          } else {
            takeRoom(limit - gathered.missing + chunk.length)
            gathered.add(chunk)
          }
          done()
        } catch (error) {
          giveUp(error)
        }
      },
      flush(done) {
        try {
          pay(0, 0)
          done(null, gathered.bytes)
        } catch (error) {
          giveUp(error)
        }
      },
    })

    /** What is left of the body belongs to no reader: once the request is answered, it is dropped (rest-of-body.ts). */
    function leaveRest(): void {
      payload.unpipe(body)
      if (reply.raw.writableEnded) payload.resume()
    }

    function giveUp(error: unknown): void {
      leaveRest()
      body.destroy(error instanceof Error ? error : new Error(String(error)))
    }

    // The body has no reader if its type is refused.
    adopt(body)
    payload.once('error', giveUp)
    return payload.pipe(body)
  }
}

/** A stack that is disposed of when the request is answered or its client disconnects. */
function holdUntilAnswered(reply: FastifyReply): DisposableStack {
  const held = new DisposableStack()
  if (reply.raw.destroyed) held.dispose()
  else reply.raw.once('close', () => held.dispose())
  return held
}

/** Bytes of the body by Content-Length; 0 for a chunked body, undefined if no body is read. */
export function lengthOf({ method, headers, ws }: FastifyRequest): number | undefined {
  if (ws === true || !withBody.has(method)) return undefined
  return Number(headers['content-length'] ?? 0)
}

/** The client of a request. Before authentication, as in a refusal, its address. */
export function clientOf({
  grant,
  client,
  socket,
}: Partial<Pick<FastifyRequest, 'grant' | 'client'>> & Pick<FastifyRequest, 'socket'>): RateClient {
  return { grantId: grant?.id ?? anyoneId, address: client?.address ?? plainAddress(socket.remoteAddress ?? '') }
}
