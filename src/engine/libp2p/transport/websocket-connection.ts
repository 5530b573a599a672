import type { AbortOptions, Logger, MessageStreamDirection } from '@libp2p/interface'
import { AbstractMultiaddrConnection } from '@libp2p/utils'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { WebSocket } from 'ws'
import { createTokenBucket } from '../../../lib/token-bucket.ts'
import { FrameFlood } from '../../frame-flood.ts'

/** The largest message of a WebSocket: one Noise frame is at most 64 KiB, and some peers put several into one. */
export const maxSocketMessageBytes = 1_048_576

/** Maximum bytes in a socket's buffer, beyond which writers wait. */
const maxSocketBufferBytes = 1_048_576

/** Bytes of the smallest encrypted frame of Noise: its length, and the tag of nothing. */
const tinyBytes = 18
/**
 * Smaller messages, beyond as many as there are larger ones: burst and rate per second. An honest peer sends some while it
 * negotiates, of three bytes and more, and js-libp2p the length of each encrypted frame, of two.
 */
const tinyMessages = { burst: 1_000, perSecond: 100 }

export interface WebSocketConnectionInit {
  remoteAddr: Multiaddr
  direction: MessageStreamDirection
  log: Logger
}

/**
 * One open WebSocket as a raw libp2p connection, with backpressure in both directions. Messages that arrive together are
 * one piece of data, as over TCP: libp2p's lists of pieces take, for each that is removed, time for all that are left.
 */
export class WebSocketConnection extends AbstractMultiaddrConnection {
  readonly #socket: WebSocket
  readonly #tiny = createTokenBucket(tinyMessages)
  /** Larger messages that no tiny one belongs to. */
  #larger = 0
  /** Messages of this turn. */
  #arrived: Buffer[] = []

  constructor(init: WebSocketConnectionInit, socket: WebSocket) {
    super(init)
    this.#socket = socket
    socket.binaryType = 'nodebuffer'
    socket.on('message', (data) => {
      if (Buffer.isBuffer(data)) this.#onMessage(data)
    })
    socket.on('error', (error) => this.abort(error))
    socket.on('close', () => {
      this.#deliver()
      this.onTransportClosed()
    })
    socket.resume()
  }

  #onMessage(data: Buffer): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return
    if (!this.#isAffordable(data)) {
      this.#arrived = []
      this.abort(new FrameFlood('too many small messages'))
      return
    }
    if (this.#arrived.push(data) === 1) queueMicrotask(() => this.#deliver())
  }

  #isAffordable(data: Buffer): boolean {
    if (data.length >= tinyBytes) {
      this.#larger = Math.min(this.#larger + 1, tinyMessages.burst)
      return true
    }
    if (this.#larger === 0) return this.#tiny.take(performance.now())
    this.#larger--
    return true
  }

  #deliver(): void {
    const [first, ...others] = this.#arrived
    this.#arrived = []
    if (first !== undefined) this.onData(others.length === 0 ? first : Buffer.concat([first, ...others]))
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
