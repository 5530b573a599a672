import { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import type { ByteRoom } from './byte-room.ts'
import { isShared } from './kept-document.ts'
import { clientOf } from './request-bytes.ts'

/** Maximum bytes of a response that is not counted: about what Node.js buffers per connection in any case. */
const uncountedBytes = 16_384
/**
 * Bytes of a response that a client reads in a second at least, beside `slowClientMs`: one that takes a few now and then
 * would keep the room from others for days.
 */
const leastBytesPerSecond = 16_384
/** The size in bytes at which that rate is applied to a response that is sent line by line, whose length is not known. */
const bytesOfLines = 4_194_304
const safeMethods = new Set(['GET', 'HEAD', 'OPTIONS'])

/**
 * Counts the bytes of responses until clients have read them. Without room, a read gets 503; a request that may have
 * changed something loses its connection, since any other response would be wrong. A client that reads nothing, or too
 * slowly, is disconnected.
 */
export function countAnswerBytes(app: FastifyInstance, init: { slowClientMs: number }, components: { answerBytes: ByteRoom }): void {
  const { answerBytes } = components

  app.addHook('onSend', async (request, reply, payload) => {
    const { raw } = reply
    // Starts again with every byte that the client reads, and ends with the response.
    raw.setTimeout(init.slowClientMs, () => raw.destroy())
    const isWhole = typeof payload === 'string' || Buffer.isBuffer(payload)
    const bytes = isWhole ? Buffer.byteLength(payload) : isLines(payload) ? bytesOfLines : 0
    if (bytes <= uncountedBytes) return payload
    if (!raw.destroyed) {
      const late = setTimeout(() => raw.destroy(), readingMs(bytes, init))
      raw.once('close', () => clearTimeout(late))
    }
    if (!isWhole || isShared(payload)) return payload
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

/** Milliseconds in which a client has read a response. */
export function readingMs(bytes: number, { slowClientMs }: { slowClientMs: number }): number {
  return slowClientMs + Math.ceil((bytes * 1_000) / leastBytesPerSecond)
}

function isLines(payload: unknown): boolean {
  return payload instanceof Readable
}
