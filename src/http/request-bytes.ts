import { Transform } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest, RequestPayload } from 'fastify'
import { anyoneId, plainAddress } from '../access/client-key.ts'
import type { ByteRoom } from '../byte-room.ts'
import { costOfBytes, type RateClient, type Rates } from '../rates.ts'

/** Methods whose bodies are read (`readBodies`). */
const withBody = new Set(['POST', 'PUT', 'PATCH'])

/**
 * Counts the bytes of every request from before its body is read until it is answered, wherever it waits meanwhile: for the body itself, for
 * peers of a topic, for a service. A body whose length is said is refused before any of it is read; one in chunks as they arrive.
 */
export function countRequestBytes(app: FastifyInstance, components: { requestBytes: ByteRoom; rates: Rates }): void {
  const { requestBytes, rates } = components

  app.addHook('onRequest', async (request, reply) => {
    const length = lengthOf(request)
    // What is longer than allowed is not read, and told so by the reader.
    if (length === undefined || length > request.routeOptions.bodyLimit) return
    hold(reply, requestBytes.take(clientOf(request), length))
  })

  app.addHook('preParsing', async (request, reply, payload) => {
    if (lengthOf(request) !== 0 || request.headers['transfer-encoding'] === undefined) return payload
    return counted(payload, request, reply)
  })

  /** The chunks of a body, each once there is room for it. */
  function counted(payload: RequestPayload, request: FastifyRequest, reply: FastifyReply): Transform {
    const client = clientOf(request)
    let total = 0
    const body = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        try {
          total += chunk.length
          if (total <= request.routeOptions.bodyLimit) hold(reply, requestBytes.take(client, chunk.length))
          else payload.unpipe(body).resume()
          done(null, chunk)
        } catch (error) {
          giveUp(error)
        }
      },
      flush(done) {
        try {
          rates.take(client, costOfBytes(total))
          done()
        } catch (error) {
          giveUp(error)
        }
      },
    })
    /** The rest is read and dropped, so that the answer gets through. */
    function giveUp(error: unknown): void {
      payload.unpipe(body).resume()
      body.destroy(error instanceof Error ? error : new Error(String(error)))
    }
    payload.once('error', giveUp)
    return payload.pipe(body)
  }
}

/** Until the request is answered, or its client is gone. */
function hold(reply: FastifyReply, room: Disposable): void {
  if (reply.raw.destroyed) room[Symbol.dispose]()
  else reply.raw.once('close', () => room[Symbol.dispose]())
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
