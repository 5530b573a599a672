import { bearerSubprotocol } from './data.ts'
import { clientError, PeergateError } from './errors.ts'
import { type ClientFrame, parseFrame, type ServerFrame } from './frames.ts'
import { open, type WebSocketClass, type WebSocketLike } from './web-socket.ts'

/** How a connection ended. */
export interface Ending {
  /** Close code; 1006 when there was none. */
  readonly code: number
  readonly error: PeergateError
  /** Whether a `welcome` had come. */
  readonly wasOpen: boolean
  /** What the gateway asked for before the next attempt. */
  readonly retryAfterMs: number
}

export interface AttemptInit {
  readonly url: string
  readonly token: string | undefined
  readonly WebSocket: WebSocketClass
  /** Milliseconds until the `welcome`. */
  readonly connectTimeoutMs: number
  /** Each frame, the `welcome` first, and the length of its text. */
  frame(frame: ServerFrame, length: number): void
  ended(ending: Ending): void
}

/** Bounds of the interval of pings, in milliseconds, whatever the gateway says. */
const heartbeatBounds = { leastMs: 1_000, mostMs: 120_000 }

const cut = 1006
/** The application closes: RFC 6455 §7.4.1. */
const normal = 1000

/** One WebSocket, from its opening to its end. It ends once, without waiting for a gateway that is silent. */
export class Attempt {
  readonly #init: AttemptInit
  readonly #socket: WebSocketLike
  #timer: ReturnType<typeof setTimeout>
  #isOpen = false
  #maxFrameBytes = Number.POSITIVE_INFINITY
  #isEnded = false
  #isHeard = true
  #retryAfterMs = 0
  #refusal: PeergateError | undefined

  /** @throws what the WebSocket says of an URL that is none */
  constructor(init: AttemptInit) {
    this.#init = init
    const bearer = init.token === undefined ? [] : [bearerSubprotocol(init.token)]
    this.#socket = new init.WebSocket(`${init.url.replace(/^http/, 'ws').replace(/\/$/, '')}/v1/stream`, ['peergate.v1.json', ...bearer])
    this.#timer = setTimeout(() => this.#give(clientError('connect_timeout')), init.connectTimeoutMs)
    this.#socket.addEventListener('error', () => {})
    this.#socket.addEventListener('message', ({ data }) => this.#read(data))
    this.#socket.addEventListener('close', ({ code, reason }) => this.#end(code, this.#refusal ?? closedBy(code, reason)))
  }

  /**
   * Returns false if the connection is not open.
   * @throws PeergateError `message_too_large` if the gateway would not take the frame, but end the connection for good
   */
  send(frame: ClientFrame): boolean {
    if (!this.#isOpen || this.#isEnded || this.#socket.readyState !== open) return false
    const text = JSON.stringify(frame)
    const bytes = new TextEncoder().encode(text).length
    if (bytes > this.#maxFrameBytes) {
      throw new PeergateError({
        code: 'message_too_large',
        detail: `The frame has ${bytes} bytes, and the maximum is ${this.#maxFrameBytes}`,
      })
    }
    this.#socket.send(text)
    return true
  }

  close(): void {
    this.#give(clientError('closed'))
  }

  #read(data: unknown): void {
    if (this.#isEnded) return
    this.#isHeard = true
    const frame = parseFrame(data)
    if (frame === undefined || (frame.type === 'welcome') === this.#isOpen) {
      // The refusal of a token comes before any welcome.
      if (frame?.type === 'error') this.#refusal = new PeergateError(frame)
      else this.#give(clientError('protocol_error'))
      return
    }
    if (frame.type === 'welcome') {
      this.#isOpen = true
      this.#maxFrameBytes = frame.limits?.['maxFrameBytes'] ?? Number.POSITIVE_INFINITY
      this.#beat(Math.min(Math.max(frame.heartbeatMs, heartbeatBounds.leastMs), heartbeatBounds.mostMs))
    }
    if (frame.type === 'closing') this.#retryAfterMs = Math.min(Math.max(frame.retryAfterMs, 0), heartbeatBounds.mostMs)
    if (frame.type === 'error' && frame.id === undefined && frame.subscription === undefined) this.#refusal = new PeergateError(frame)
    this.#init.frame(frame, String(data).length)
  }

  /** A WebSocket does not show the pings of the server. So each interval asks for a sign of life, and expects one before the next. */
  #beat(ms: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      if (!this.#isHeard) {
        this.#give(clientError('connection_lost', 'The gateway gave no sign of life'))
        return
      }
      this.#isHeard = false
      this.send({ type: 'ping', id: 'beat' })
      this.#beat(ms)
    }, ms)
  }

  #give(error: PeergateError): void {
    this.#end(cut, error)
    this.#socket.close(normal)
  }

  #end(code: number, error: PeergateError): void {
    if (this.#isEnded) return
    this.#isEnded = true
    clearTimeout(this.#timer)
    this.#init.ended({ code, error, wasOpen: this.#isOpen, retryAfterMs: this.#retryAfterMs })
  }
}

function closedBy(code: number, reason: string): PeergateError {
  return clientError(
    code >= 4500 ? 'connection_closed' : 'connection_lost',
    `The connection was closed with ${code}${reason && `: ${reason}`}`,
  )
}
