import type { WebSocket } from 'ws'
import { type CloseReason, closeCodes } from './close-codes.ts'
import type { ServerFrame } from './frames.ts'

/**
 * The sending side of one socket. It never holds back a frame: whoever sends much asks `writable` first and waits for the drain, so
 * that what a slow client costs is bounded by the socket's buffer.
 */
export interface Outlet {
  /** False while more is waiting in the socket than the limit. */
  readonly writable: boolean
  /** Since when the socket has not been writable (milliseconds of the monotonic clock), or undefined. */
  readonly blockedSince: number | undefined
  send(frame: ServerFrame): void
  /** A frame that is encoded already. */
  sendEncoded(frame: Buffer): void
  close(reason: CloseReason): void
}

/** How long a close handshake may take before the socket is cut. */
const closeGraceMs = 2_000

export function createOutlet(init: { maxSocketBufferBytes: number }, components: { socket: WebSocket; onDrain(): void }): Outlet {
  const { socket, onDrain } = components
  let blockedSince: number | undefined

  function drained(): void {
    if (blockedSince === undefined) return
    if (socket.bufferedAmount > init.maxSocketBufferBytes / 2 && socket.readyState === socket.OPEN) {
      // Some other frame is still on its way; an empty ping behind it tells when it has left.
      socket.ping(undefined, undefined, drained)
      return
    }
    blockedSince = undefined
    onDrain()
  }

  function write(frame: Buffer | string): void {
    if (socket.readyState !== socket.OPEN) return
    if (blockedSince === undefined && socket.bufferedAmount + frame.length > init.maxSocketBufferBytes) {
      blockedSince = performance.now()
      socket.send(frame, { binary: false }, drained)
    } else {
      socket.send(frame, { binary: false })
    }
  }

  return {
    get writable() {
      return blockedSince === undefined && socket.readyState === socket.OPEN
    },
    get blockedSince() {
      return blockedSince
    },
    send(frame) {
      write(JSON.stringify(frame))
    },
    sendEncoded: write,
    close(reason) {
      if (socket.readyState === socket.CLOSED || socket.readyState === socket.CLOSING) return
      const { code, reason: text } = closeCodes[reason]
      socket.close(code, text)
      const cut = setTimeout(() => socket.terminate(), closeGraceMs)
      socket.once('close', () => clearTimeout(cut))
    },
  }
}
