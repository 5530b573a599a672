import type { FastifyReply, FastifyRequest } from 'fastify'

/**
 * Aborts when the client disconnects before the response was written, and, with InvalidToken, when its token ends. (The
 * request's own `close` event means only that its body was read: https://github.com/fastify/fastify/issues/4690.)
 */
export function clientSignal({ raw, request }: Pick<FastifyReply, 'raw' | 'request'>): AbortSignal {
  const gone = new AbortController()
  const { ended }: Pick<FastifyRequest, 'ended'> = request
  raw.once('close', () => {
    if (!raw.writableFinished) gone.abort()
  })
  // It may have closed before.
  if (raw.destroyed && !raw.writableFinished) gone.abort()
  if (ended?.aborted === true) gone.abort(ended.reason)
  else ended?.addEventListener('abort', () => gone.abort(ended.reason), { once: true })
  return gone.signal
}
