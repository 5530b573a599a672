import type { RequestListener } from 'node:http'
import type { Socket } from 'node:net'

const maxMore = 10

/**
 * Answers requests on a port for WebSockets only with 426, and closes the connection. Of one connection it answers the
 * first: a packet can contain a thousand small requests, and Node.js emits all of them.
 * @param init.onMore is called when a connection has sent more than `maxMore` requests that were not answered
 */
export function refuseRequests(init: { text: string; onMore: (address: string) => void }): RequestListener {
  const refused = new WeakMap<Socket, number>()
  return ({ socket }, response) => {
    const before = refused.get(socket) ?? 0
    refused.set(socket, before + 1)
    if (before === maxMore) init.onMore(socket.remoteAddress ?? '')
    if (before > 0) return
    response.writeHead(426, { connection: 'close', upgrade: 'websocket' }).end(init.text)
  }
}
