import type { FastifyInstance } from 'fastify'
import type { ByteRoom } from './byte-room.ts'
import { clientOf } from './request-bytes.ts'

/** Bytes of answers that are not counted: about what Node.js holds for a connection in any case before it stops reading from it. */
const uncountedBytes = 16_384
const safeMethods = new Set(['GET', 'HEAD', 'OPTIONS'])

/**
 * Counts the bytes of answers until clients have taken them. Where there is no room, what only reads is answered 503, and what may have
 * changed something loses its connection, since nothing true could be said in its place. A client that takes nothing is cut off.
 */
export function countAnswerBytes(app: FastifyInstance, init: { slowClientMs: number }, components: { answerBytes: ByteRoom }): void {
  const { answerBytes } = components

  app.addHook('onSend', async (request, reply, payload) => {
    const { raw } = reply
    // Counts from the last byte that the client took; with the answer it ends.
    raw.setTimeout(init.slowClientMs, () => raw.destroy())
    const bytes = typeof payload === 'string' || Buffer.isBuffer(payload) ? Buffer.byteLength(payload) : 0
    if (bytes <= uncountedBytes) return payload
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
