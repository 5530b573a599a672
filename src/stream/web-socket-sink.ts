import type { WebSocket } from 'ws'
import { type CloseReason, closeCodes } from './close-codes.ts'
import type { Sink } from './outlet.ts'

/** How long a close handshake may take before the socket is cut. */
const closeGraceMs = 2_000

export interface WebSocketSink extends Sink {
  close(reason: CloseReason): void
}

export function createWebSocketSink({ socket, binary }: { socket: WebSocket; binary: boolean }): WebSocketSink {
  return {
    get isOpen() {
      return socket.readyState === socket.OPEN
    },
    get bufferedBytes() {
      return socket.bufferedAmount
    },
    write: (frame, written) => socket.send(frame, { binary }, written),
    // An empty ping behind everything else tells when it has left.
    whenWritten: (written) => socket.ping(undefined, undefined, written),
    close(reason) {
      if (socket.readyState === socket.CLOSED || socket.readyState === socket.CLOSING) return
      const { code, reason: text } = closeCodes[reason]
      socket.close(code, text)
      const cut = setTimeout(() => socket.terminate(), closeGraceMs)
      socket.once('close', () => clearTimeout(cut))
    },
  }
}
