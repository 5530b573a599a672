import type { AbortOptions, Logger, MessageStreamDirection } from '@libp2p/interface'
import { AbstractMultiaddrConnection } from '@libp2p/utils'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { WebSocket } from 'ws'

/** The largest message of a WebSocket: one Noise frame is at most 64 KiB, and some peers put several into one. */
export const maxSocketMessageBytes = 1_048_576

/** Maximum bytes in a socket's buffer, beyond which writers wait. */
const maxSocketBufferBytes = 1_048_576

export interface WebSocketConnectionInit {
  remoteAddr: Multiaddr
  direction: MessageStreamDirection
  log: Logger
}

/** One open WebSocket as a raw libp2p connection, with backpressure in both directions. */
export class WebSocketConnection extends AbstractMultiaddrConnection {
  readonly #socket: WebSocket

  constructor(init: WebSocketConnectionInit, socket: WebSocket) {
    super(init)
    this.#socket = socket
    socket.binaryType = 'nodebuffer'
    socket.on('message', (data) => {
      if (Buffer.isBuffer(data)) this.onData(data)
    })
    socket.on('error', (error) => this.abort(error))
    socket.on('close', () => this.onTransportClosed())
    socket.resume()
  }

  override sendData(data: Parameters<AbstractMultiaddrConnection['sendData']>[0]): { sentBytes: number; canSendMore: boolean } {
    const sentBytes = data.byteLength
    this.#socket.send(data.subarray(), () => {
      if (this.writableNeedsDrain && this.#hasRoom()) this.safeDispatchEvent('drain')
    })
    return { sentBytes, canSendMore: this.#hasRoom() }
  }

  override sendReset(): void {
    this.#socket.terminate()
  }

  override async sendClose({ signal }: AbortOptions = {}): Promise<void> {
    if (this.#socket.readyState === this.#socket.CLOSED) return
    const closed = Promise.withResolvers<void>()
    const cut = () => this.#socket.terminate()
    this.#socket.once('close', () => closed.resolve())
    signal?.addEventListener('abort', cut)
    this.#socket.close()
    if (signal?.aborted === true) cut()
    await closed.promise
    signal?.removeEventListener('abort', cut)
  }

  override sendPause(): void {
    this.#socket.pause()
  }

  override sendResume(): void {
    this.#socket.resume()
  }

  #hasRoom(): boolean {
    return this.#socket.bufferedAmount < maxSocketBufferBytes
  }
}
