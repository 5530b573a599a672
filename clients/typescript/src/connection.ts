import { Attempt, type Ending } from './attempt.ts'
import { type BackOff, pauseMs } from './back-off.ts'
import { type Call, Calls } from './calls.ts'
import { isFinal } from './close-codes.ts'
import { clientError, type PeergateError } from './errors.ts'
import type { ClientFrame, ServerFrame } from './frames.ts'
import type { WebSocketClass } from './web-socket.ts'

/** What the connection does. */
export type ConnectionState =
  /** Nothing has needed a connection yet. */
  | { type: 'idle' }
  | { type: 'connecting'; url: string; failures: number }
  | { type: 'open'; url: string; peerId: string }
  /** The connection failed or was lost; the next attempt begins after the pause. */
  | { type: 'waiting'; pauseMs: number; failures: number; error: PeergateError }
  /** For good: by `close()`, or with the reason. */
  | { type: 'closed'; error?: PeergateError }

/** What lives on the connection through its ends: a subscription, a service, a validator. */
export interface Participant {
  /** A connection is open: register again. */
  connected(): void
  lost(): void
  /** A frame that answers no call. */
  frame(frame: ServerFrame, length: number): void
  /** There will be no further connection. */
  ended(error: PeergateError): void
}

export interface ConnectionInit {
  readonly urls: readonly string[]
  readonly token: string | undefined | (() => string | Promise<string>)
  readonly WebSocket: WebSocketClass
  readonly backOff: BackOff
  readonly connectTimeoutMs: number
  readonly maxPendingCalls: number
}

/** Milliseconds for which a connection must have been open to count as a success: one that is cut at once is a failure. */
const provenMs = 5_000

/** RFC 6455 §7.1.5: there was no close frame. */
const unconnected = 1006

/** One stream to one of the gateways at a time. It begins with the first use, and is opened again until it is closed. */
export class Connection {
  readonly #init: ConnectionInit
  readonly #calls: Calls
  readonly #participants = new Set<Participant>()
  readonly #watchers = new Set<(state: ConnectionState) => void>()
  #state: ConnectionState = { type: 'idle' }
  #attempt: Attempt | undefined
  #pause: ReturnType<typeof setTimeout> | undefined
  #failures = 0
  #attempts = 0
  #openedAt = 0

  constructor(init: ConnectionInit) {
    this.#init = init
    this.#calls = new Calls({ send: (frame) => this.send(frame), maxPending: init.maxPendingCalls })
  }

  get state(): ConnectionState {
    return this.#state
  }

  /** @returns ends the watching */
  watch(watcher: (state: ConnectionState) => void): () => void {
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }

  /** @returns takes it out again */
  join(participant: Participant): () => void {
    if (this.#state.type === 'closed') {
      participant.ended(this.#state.error ?? clientError('closed'))
      return () => {}
    }
    this.#participants.add(participant)
    if (this.#state.type === 'open') participant.connected()
    this.#begin()
    return () => this.#participants.delete(participant)
  }

  /** @returns gives the call up */
  call(call: Call): () => void {
    if (this.#state.type === 'closed') {
      call.refused(this.#state.error ?? clientError('closed'))
      return () => {}
    }
    // The first attempt can fail before it returns: it must find the call.
    const giveUp = this.#calls.add(call)
    this.#begin()
    return giveUp
  }

  /**
   * Returns false, and sends nothing, if no connection is open.
   * @throws PeergateError `message_too_large` if the gateway would not take the frame
   */
  send(frame: ClientFrame): boolean {
    return this.#state.type === 'open' && (this.#attempt?.send(frame) ?? false)
  }

  close(error?: PeergateError): void {
    if (this.#state.type === 'closed') return
    clearTimeout(this.#pause)
    this.#enter({ type: 'closed', ...(error === undefined ? {} : { error }) })
    this.#attempt?.close()
    const reason = error ?? clientError('closed')
    for (const participant of this.#participants) participant.ended(reason)
    this.#participants.clear()
    this.#calls.end(reason)
    this.#watchers.clear()
  }

  #begin(): void {
    if (this.#state.type === 'idle') void this.#connect()
  }

  async #connect(): Promise<void> {
    const { urls, token, WebSocket, connectTimeoutMs } = this.#init
    const url = urls[this.#attempts++ % urls.length] ?? ''
    this.#enter({ type: 'connecting', url, failures: this.#failures })
    let bearer: string | undefined
    try {
      bearer = typeof token === 'function' ? await token() : token
    } catch (cause) {
      // Where tokens come from can be away for a while too.
      const error = clientError('no_token', undefined, cause)
      this.#ended({ code: unconnected, error, wasOpen: false, retryAfterMs: 0 })
      return
    }
    if (this.#state.type !== 'connecting') return
    try {
      this.#attempt = new Attempt({
        url,
        token: bearer,
        WebSocket,
        connectTimeoutMs,
        frame: (frame, length) => this.#take(url, frame, length),
        ended: (ending) => this.#ended(ending),
      })
    } catch (cause) {
      this.close(clientError('connection_closed', `There can be no connection to ${url}: ${String(cause)}`, cause))
    }
  }

  #take(url: string, frame: ServerFrame, length: number): void {
    if (frame.type === 'welcome') {
      this.#openedAt = Date.now()
      this.#enter({ type: 'open', url, peerId: frame.peerId })
      for (const participant of this.#participants) participant.connected()
      this.#calls.connected()
    } else if (!this.#calls.answer(frame)) {
      for (const participant of this.#participants) participant.frame(frame, length)
    }
  }

  #ended({ code, error, wasOpen, retryAfterMs }: Ending): void {
    this.#attempt = undefined
    if (this.#state.type === 'closed') return
    if (isFinal(code, typeof this.#init.token === 'function')) {
      this.close(error)
      return
    }
    if (wasOpen && Date.now() - this.#openedAt >= provenMs) this.#failures = 0
    const pause = pauseMs(this.#init.backOff, this.#failures++, retryAfterMs)
    this.#enter({ type: 'waiting', pauseMs: pause, failures: this.#failures, error })
    this.#calls.lost()
    for (const participant of this.#participants) participant.lost()
    if (this.state.type === 'waiting') this.#pause = setTimeout(() => void this.#connect(), pause)
  }

  #enter(state: ConnectionState): void {
    this.#state = state
    for (const watcher of this.#watchers) watcher(state)
  }
}
