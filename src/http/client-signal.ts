import type { FastifyReply } from 'fastify'

/**
 * Fires when the client is gone before its answer was written. (The request's own `close` event says only that its body was read:
 * https://github.com/fastify/fastify/issues/4690.)
 */
export function clientSignal(reply: FastifyReply): AbortSignal {
  const gone = new AbortController()
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) gone.abort()
  })
  return gone.signal
}
