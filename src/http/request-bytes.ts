import { Transform } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest, RequestPayload } from 'fastify'
import { anyoneId, plainAddress } from '../access/client-key.ts'
import { costOfBytes, type RateClient, type Rates } from '../access/rates.ts'
import { gatherBytes } from '../lib/gathered-bytes.ts'
import type { ByteRoom } from './byte-room.ts'

/** Methods whose bodies are read (`readBodies`). */
const withBody = new Set(['POST', 'PUT', 'PATCH'])

/** Overhead of each chunk or packet of a body, in bytes of the rate limit: about the cost of receiving it. */
const pieceBytes = 512
/** Step in which the rate limit is charged, and first amount of room that is taken, in bytes. */
const stepBytes = 65_536
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
    holdUntilAnswered(reply).use(requestBytes.take(clientOf(request), length))
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
          pay(pieceBytes + (isCounted ? 0 : chunk.length), stepBytes)
          if (chunk.length > gathered.missing) {
            // One byte above the limit makes the body reader refuse it.
            body.push(Buffer.concat([gathered.bytes, chunk.subarray(0, gathered.missing + 1)]))
            dropRest()
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

    /** Drops the rest of the body, so that the response gets through. Closes the connection if the rest is too long. */
    function dropRest(): void {
      let left = request.routeOptions.bodyLimit
      payload.unpipe(body)
      payload.on('data', (chunk: Buffer) => {
        left -= chunk.length + pieceBytes
        if (left < 0) request.raw.socket.destroy()
      })
      payload.resume()
    }

    function giveUp(error: unknown): void {
      dropRest()
      body.destroy(error instanceof Error ? error : new Error(String(error)))
    }

    payload.once('error', giveUp)
    return payload.pipe(body)
  }
}

/** A stack that is disposed of when the request is answered or its client disconnects. */
function holdUntilAnswered(reply: FastifyReply): DisposableStack {
  const held = new DisposableStack()
  if (reply.raw.destroyed) return held
  reply.raw.once('close', () => held.dispose())
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
