import type { EventEmitter } from 'node:events'

/**
 * Adds a permanent `error` listener to a socket. An `error` event without a listener ends the process, and code that
 * accepts, refuses or abandons a socket adds and removes listeners of its own. This one is added where the socket is
 * created, and never removed. A failed socket closes by itself; code that needs the reason adds its own listener.
 * (Unread pongs are bounded by `ws`: `maxPendingAutoPongs`.)
 */
export function adopt<Emitter extends Pick<EventEmitter, 'on'>>(socket: Emitter): Emitter {
  socket.on('error', ignore)
  return socket
}

/**
 * Adopts every socket of a server: TCP sockets before and after the TLS handshake, the WebSockets of a
 * `WebSocketServer`, and the HTTP responses written to them.
 *
 * An HTTP server then handles a request with an unknown expectation like any other (RFC 9110 §10.1.1). Node.js would
 * answer it by itself: whatever limits requests would not know of it.
 */
export function adoptSocketsOf<Server extends EventEmitter>(server: Server): Server {
  for (const event of ['connection', 'secureConnection']) server.prependListener(event, adopt)
  server.prependListener('request', (_request, response: EventEmitter) => adopt(response))
  server.on('checkExpectation', (request, response) => server.emit('request', request, response))
  return server
}

// One function for all sockets: a closure for each would cost memory where there are thousands of them.
function ignore(): void {}
