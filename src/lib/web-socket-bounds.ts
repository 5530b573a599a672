import type { WebSocket, WebSocketServer } from 'ws'
import { adopt } from './adopt-socket.ts'
import { createTokenBucket } from './token-bucket.ts'

/** What `ws` is to bound of every WebSocket, whoever opened it, beside the bytes of a message. */
export const webSocketBounds = {
  /** A small message could become a large one. */
  perMessageDeflate: false,
  /** Pieces, as they come from the network, of a frame that is not whole: each costs about 250 bytes beside its own. */
  maxBufferedChunks: 16_384,
  /** Frames of one message. */
  maxFragments: 1_024,
} as const

/** Pings and pongs at once, and those of a second after that. An honest end sends one in some seconds. */
const controlFrames = { burst: 1_000, perSecond: 100 }

/**
 * Adopts a WebSocket (`adopt`), and cuts it when its other end sends more pings and pongs than any honest one: they are in no message, and
 * so in no budget, and a hundred thousand of them, in six bytes each, block the event loop for a tenth of a second.
 */
export function adoptWebSocket(socket: WebSocket): WebSocket {
  const bucket = createTokenBucket(controlFrames)
  const count = () => {
    if (!bucket.take(performance.now())) socket.terminate()
  }
  return adopt(socket).on('ping', count).on('pong', count)
}

/** Adopts the sockets of a server of WebSockets (`adoptSocketsOf`), each with these bounds. */
export function adoptWebSocketsOf(server: WebSocketServer): WebSocketServer {
  return server.prependListener('connection', adoptWebSocket)
}
