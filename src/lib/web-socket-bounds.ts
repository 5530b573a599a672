import type { WebSocket, WebSocketServer } from 'ws'
import { adopt } from './adopt-socket.ts'
import { createTokenBucket } from './token-bucket.ts'

/** Bounds that `ws` enforces on every WebSocket, beside the size of a message. */
export const webSocketBounds = {
  /** A small compressed message could expand to a large one. */
  perMessageDeflate: false,
  /** Received chunks of an incomplete frame; each costs about 250 bytes beside its data. */
  maxBufferedChunks: 16_384,
  /** Frames per message. */
  maxFragments: 1_024,
} as const

/**
 * `permessage-deflate` (RFC 7692) whose messages depend on no other, so that a message is compressed once for all
 * clients and no connection holds a compressor. `maxPayload` bounds what a client's compressed message expands to.
 */
export const sharedDeflate = { serverNoContextTakeover: true, clientNoContextTakeover: true } as const

/** Pings and pongs: burst and rate per second. An honest peer sends one every few seconds. */
const controlFrames = { burst: 1_000, perSecond: 100 }

/**
 * Adopts a WebSocket (`adopt`), and terminates it when its other end exceeds `controlFrames`. Pings and pongs are not
 * part of any message or budget, and a hundred thousand of them, six bytes each, block the event loop for a tenth of a
 * second.
 */
export function adoptWebSocket(socket: WebSocket): WebSocket {
  const bucket = createTokenBucket(controlFrames)
  const count = () => {
    if (!bucket.take(performance.now())) socket.terminate()
  }
  return adopt(socket).on('ping', count).on('pong', count)
}

/** Adopts the sockets of a WebSocket server (`adoptSocketsOf`), each with these bounds. */
export function adoptWebSocketsOf(server: WebSocketServer): WebSocketServer {
  return server.prependListener('connection', adoptWebSocket)
}
