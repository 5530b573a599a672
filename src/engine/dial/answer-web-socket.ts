import { createServer } from 'node:http'
import { connect } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'
import { adopt, adoptSocketsOf } from '../../lib/adopt-socket.ts'
import { refuseRequests } from '../../lib/refuse-requests.ts'
import { adoptWebSocketsOf, webSocketBounds } from '../../lib/web-socket-bounds.ts'
import { cutWithReset, onSharedPort } from './shared-port.ts'

export interface AnswerOptions {
  /** The local port that the other end connects to at the same moment. */
  localPort: number
  /** Maximum size of a message, in bytes. */
  maxPayload: number
  /** Maximum frames of a message. */
  maxFragments: number
  subprotocol: string
  signal: AbortSignal
}

/**
 * Connects to an end that connects to this one at the same moment (TCP simultaneous open, RFC 9293, section 3.5), and
 * is the server of a WebSocket on that connection, which is returned paused. The other end uses `openWebSocket`.
 * @throws Error when the WebSocket does not open before the signal fires
 */
export async function answerWebSocket({ ip, port }: { ip: string; port: number }, options: AnswerOptions): Promise<WebSocket> {
  const { localPort, maxPayload, maxFragments, subprotocol, signal } = options
  signal.throwIfAborted()
  // It does not listen: the connection is handed to it.
  const server = adoptSocketsOf(createServer(refuseRequests({ text: 'Only a WebSocket is expected here.\n', onMore: () => cut() })))
  const sockets = new WebSocketServer({
    server,
    ...webSocketBounds,
    maxPayload,
    maxFragments,
    handleProtocols: (offered) => (offered.has(subprotocol) ? subprotocol : false),
  })
  const opened = Promise.withResolvers<WebSocket>()
  adoptWebSocketsOf(sockets).once('connection', (socket) => {
    socket.pause()
    const { terminate } = socket
    socket.terminate = () => {
      cut()
      terminate.call(socket)
    }
    opened.resolve(socket)
  })
  const wire = adopt(connect({ host: ip, port, ...onSharedPort(ip, localPort) }))
  const cut = () => cutWithReset(wire)
  wire.once('error', opened.reject)
  wire.once('close', () => opened.reject(new Error('the other end closed the connection before the WebSocket opened')))
  signal.addEventListener('abort', cut)
  try {
    wire.once('connect', () => server.emit('connection', wire))
    const socket = await opened.promise
    if (socket.protocol === subprotocol) return socket
    socket.terminate()
    throw new Error('the other end speaks another protocol')
  } catch (error) {
    cut()
    throw error
  } finally {
    wire.off('error', opened.reject)
    signal.removeEventListener('abort', cut)
  }
}
