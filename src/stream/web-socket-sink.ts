import type { Socket } from 'node:net'
import type { WebSocket } from 'ws'
import { type CloseReason, closeCodes } from './close-codes.ts'
import type { Sink } from './outlet.ts'

/** How long a close handshake may take before the socket is terminated. */
const closeGraceMs = 2_000

export interface WebSocketSink extends Sink {
  close(reason: CloseReason): void
}

/**
 * Writes complete frames to the socket below the WebSocket. Without compression the library writes its own frames
 * (pings, pongs, the close) at once and complete too, so frames never interleave.
 */
export function createWebSocketSink(components: { socket: WebSocket; wire: Socket }): WebSocketSink {
  return new WireSink(components)
}

class WireSink implements WebSocketSink {
  readonly #socket: WebSocket
  readonly #wire: Socket

  constructor({ socket, wire }: { socket: WebSocket; wire: Socket }) {
    this.#socket = socket
    this.#wire = wire
  }

  get isOpen(): boolean {
    return this.#socket.readyState === this.#socket.OPEN
  }

  get bufferedBytes(): number {
    return this.#wire.writableLength
  }

  write(frame: Buffer | string, written?: () => void): void {
    this.#wire.write(frame, written)
  }

  whenWritten(written: () => void): void {
    // An empty ping leaves the buffer after everything written before it.
    this.#socket.ping(undefined, undefined, written)
  }

  cork(): void {
    this.#wire.cork()
  }

  uncork(): void {
    this.#wire.uncork()
  }

  close(reason: CloseReason): void {
    const socket = this.#socket
    if (socket.readyState === socket.CLOSED || socket.readyState === socket.CLOSING) return
    const { code, reason: text } = closeCodes[reason]
    socket.close(code, text)
    const cut = setTimeout(() => socket.terminate(), closeGraceMs)
    socket.once('close', () => clearTimeout(cut))
  }
}
