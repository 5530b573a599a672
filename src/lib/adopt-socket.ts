import type { EventEmitter } from 'node:events'

/**
 * Gives a socket the `error` listener that it keeps for life. An `error` that nobody listens to ends the process, and whoever takes, refuses
 * or gives up a socket adds and removes listeners of its own: so this one is added where the socket is made, and is never removed.
 * A socket that fails closes by itself; who wants to know why listens as well. (Unread pongs are bounded by `ws`: `maxPendingAutoPongs`.)
 */
export function adopt<Emitter extends Pick<EventEmitter, 'on'>>(socket: Emitter): Emitter {
  socket.on('error', ignore)
  return socket
}

/**
 * Adopts every socket that a server makes: of TCP, before and after the handshake of TLS, the WebSockets of a `WebSocketServer`, and the
 * answers of HTTP that are written to them.
 */
export function adoptSocketsOf<Server extends EventEmitter>(server: Server): Server {
  for (const event of ['connection', 'secureConnection']) server.prependListener(event, adopt)
  server.prependListener('request', (_request, response: EventEmitter) => adopt(response))
  return server
}

// One function for all sockets: a closure for each would cost memory where there are thousands of them.
function ignore(): void {}
