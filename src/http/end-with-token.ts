import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type Endings, ofEndedToken } from '../access/endings.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Aborts when the token or session of the request ends before the response is complete. */
    ended: AbortSignal | undefined
  }
}

const safeMethods = new Set(['GET', 'HEAD', 'OPTIONS'])

/**
 * Nothing is read with a token after its end was acknowledged: waiting requests are aborted, and a read gets 401. A
 * request that has already changed something gets its own response.
 */
export function endWithToken(app: FastifyInstance, components: { now?: (() => number) | undefined }): void {
  const { now = Date.now } = components
  app.decorateRequest('ended')
  app.addHook('onSend', async (request, reply, payload) => {
    refuseEnded(request, reply)
    if (isRead(request, reply) && hasExpired(request, now())) throw ofEndedToken()
    return payload
  })
}

/** @throws InvalidToken when the token or session of a request that reads has ended */
export function refuseEnded(request: FastifyRequest, reply: FastifyReply): void {
  if (isRead(request, reply) && request.ended?.aborted === true) throw ofEndedToken()
}

function isRead({ method }: FastifyRequest, { statusCode }: FastifyReply): boolean {
  return safeMethods.has(method) && statusCode < 400
}

/** Ends the request with its token. @throws InvalidToken when the token has already ended */
export function watchEnd(request: FastifyRequest, reply: FastifyReply, endings: Endings): void {
  const controller = new AbortController()
  const watching = endings.watch(request.grant, () => {
    controller.abort(ofEndedToken())
    // The unread rest of the response is dropped.
    if (reply.raw.headersSent && safeMethods.has(request.method)) reply.raw.destroy()
  })
  // The stream ends its own connections.
  if (request.ws === true) watching[Symbol.dispose]()
  else reply.raw.once('close', () => watching[Symbol.dispose]())
  request.ended = controller.signal
}

function hasExpired({ grant }: FastifyRequest, now: number): boolean {
  return grant?.expiresAt !== undefined && grant.expiresAt <= now
}
