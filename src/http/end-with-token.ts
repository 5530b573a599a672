import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type Endings, ofEndedToken } from '../access/endings.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Fires when the token or the session of the request ends before the answer is out. */
    ended: AbortSignal | undefined
  }
}

const safeMethods = new Set(['GET', 'HEAD', 'OPTIONS'])

/**
 * Nothing is read with a token after its end was acknowledged: requests that wait are given up, and the answer of one that only reads is
 * 401 instead. What has changed something by then is answered as it was done.
 */
export function endWithToken(app: FastifyInstance, components: { now?: (() => number) | undefined }): void {
  const { now = Date.now } = components
  app.decorateRequest('ended')
  app.addHook('onSend', async (request, reply, payload) => {
    const isRead = safeMethods.has(request.method) && reply.statusCode < 400
    if (isRead && (request.ended?.aborted === true || hasExpired(request, now()))) throw ofEndedToken()
    return payload
  })
}

/** Has the request end with its token. @throws InvalidToken when that has ended already */
export function watchEnd(request: FastifyRequest, reply: FastifyReply, endings: Endings): void {
  const controller = new AbortController()
  const watching = endings.watch(request.grant, () => {
    controller.abort(ofEndedToken())
    // What the client has not taken yet of an answer is dropped.
    if (reply.raw.headersSent && safeMethods.has(request.method)) reply.raw.destroy()
  })
  // What is upgraded is the stream's, which ends it by itself.
  if (request.ws === true) watching[Symbol.dispose]()
  else reply.raw.once('close', () => watching[Symbol.dispose]())
  request.ended = controller.signal
}

function hasExpired({ grant }: FastifyRequest, now: number): boolean {
  return grant?.expiresAt !== undefined && grant.expiresAt <= now
}
