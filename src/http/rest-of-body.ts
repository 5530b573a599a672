import type { IncomingMessage, ServerResponse } from 'node:http'
import { costOfBytes } from '../access/rates.ts'

/** Overhead of each chunk or packet of a body, in bytes of the rate limit: about the cost of receiving it. */
export const pieceBytes = 512
/** Step in which the rate limit is charged for a body, in bytes. */
export const stepBytes = 65_536

/**
 * Receives what an answered request has left of its body, as of one that was refused or needs none. Node.js would do so
 * without a limit, and a body in chunks of a byte costs a thousand times its size. It is read at all because a connection
 * that is closed with unread data takes the answer with it.
 *
 * The connection is closed after `maxBytes`, each piece counted with `pieceBytes`, or when `charge` throws, which is
 * called with units of the rate limit.
 */
export function limitRestOfBody(
  { request, response, maxBytes }: { request: IncomingMessage; response: ServerResponse; maxBytes: number },
  charge: (units: number) => void,
): void {
  if (request.headers['transfer-encoding'] === undefined && !(Number(request.headers['content-length']) > 0)) return
  let left = maxBytes
  let unpaid = 0

  function count(chunk: Buffer): void {
    const bytes = chunk.length + pieceBytes
    left -= bytes
    unpaid += bytes
    try {
      if (unpaid >= stepBytes) {
        charge(costOfBytes(unpaid))
        unpaid = 0
      }
    } catch {
      left = -1
    }
    if (left < 0) request.socket.destroy()
  }

  // Before `finish`, with which Node.js drops a body that nobody reads.
  response.once('prefinish', () => {
    if (request.complete) return
    request.on('data', count)
    request.resume()
  })
}
