import { Transform } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest, RequestPayload } from 'fastify'
import { anyoneId, plainAddress } from '../access/client-key.ts'
import { costOfBytes, type RateClient, type Rates } from '../access/rates.ts'
import { gatherBytes } from '../lib/gathered-bytes.ts'
import type { ByteRoom } from './byte-room.ts'

/** Methods whose bodies are read (`readBodies`). */
const withBody = new Set(['POST', 'PUT', 'PATCH'])

/** Bytes that each piece of a body costs of the rate beside its own, as it comes in a chunk or a packet: about what it takes to receive. */
const pieceBytes = 512
/** Bytes of the rate that are paid at once, and of room that is taken at first. */
const stepBytes = 65_536
/** Bytes of a body that is received as it comes, since its pieces are few. */
const smallBytes = 4_096

/**
 * Counts the bytes of every request from before its body is read until it is answered, wherever it waits meanwhile: for the body itself, for
 * peers of a topic, for a service. A body whose length is said is refused before any of it is read; one in chunks as they arrive. A body
 * in many small pieces is gathered, since each would cost a hundred times its bytes in memory, and pays for them as they come.
 */
export function countRequestBytes(app: FastifyInstance, components: { requestBytes: ByteRoom; rates: Rates }): void {
  const { requestBytes, rates } = components

  app.addHook('onRequest', async (request, reply) => {
    const length = lengthOf(request)
    // What is longer than allowed is not read, and told so by the reader.
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

  /** The body in one piece, once all of it has come. What `isCounted` has its room, and has paid for its bytes. */
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
            // One byte more than allowed is enough for the reader to refuse it.
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

    /** What still comes is dropped, so that the answer gets through; of who does not end soon the connection is cut. */
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

/** Holds until the request is answered, or its client is gone. */
function holdUntilAnswered(reply: FastifyReply): DisposableStack {
  const held = new DisposableStack()
  if (reply.raw.destroyed) return held
  reply.raw.once('close', () => held.dispose())
  return held
}
/** Bytes of the body as the head of the request says; 0 for one in chunks, undefined where none is read. */
export function lengthOf({ method, headers, ws }: FastifyRequest): number | undefined {
  if (ws === true || !withBody.has(method)) return undefined
  return Number(headers['content-length'] ?? 0)
}

/** Who asks; before it is known, as in a refusal, the address counts. */
export function clientOf({
  grant,
  client,
  socket,
}: Partial<Pick<FastifyRequest, 'grant' | 'client'>> & Pick<FastifyRequest, 'socket'>): RateClient {
  return { grantId: grant?.id ?? anyoneId, address: client?.address ?? plainAddress(socket.remoteAddress ?? '') }
}
