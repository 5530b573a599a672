import type { FastifyInstance } from 'fastify'
import type { ByteRoom } from './byte-room.ts'
import { isShared } from './kept-document.ts'
import { clientOf } from './request-bytes.ts'

/** Maximum bytes of a response that is not counted: about what Node.js buffers per connection in any case. */
const uncountedBytes = 16_384
const safeMethods = new Set(['GET', 'HEAD', 'OPTIONS'])

/**
 * Counts the bytes of responses until clients have read them. Without room, a read gets 503; a request that may have
 * changed something loses its connection, since any other response would be wrong. A client that reads nothing is
 * disconnected.
 */
export function countAnswerBytes(app: FastifyInstance, init: { slowClientMs: number }, components: { answerBytes: ByteRoom }): void {
  const { answerBytes } = components

  app.addHook('onSend', async (request, reply, payload) => {
    const { raw } = reply
    // Starts again with every byte that the client reads, and ends with the response.
    raw.setTimeout(init.slowClientMs, () => raw.destroy())
    const bytes = typeof payload === 'string' || Buffer.isBuffer(payload) ? Buffer.byteLength(payload) : 0
    if (bytes <= uncountedBytes || isShared(payload)) return payload
    try {
      const room = answerBytes.take(clientOf(request), bytes)
      if (raw.destroyed) room[Symbol.dispose]()
      else raw.once('close', () => room[Symbol.dispose]())
    } catch (error) {
      if (safeMethods.has(request.method)) throw error
      raw.destroy()
    }
    return payload
  })
}
