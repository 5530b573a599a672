import { repeatAfterMs } from './back-off.ts'
import { clientError, PeergateError } from './errors.ts'
import type { ClientFrame, ServerFrame } from './frames.ts'

/** A frame that asks for an answer. Its callbacks run before the next frame is read; one of them, once. */
export interface Call {
  readonly frame: ClientFrame
  answered(frame: ServerFrame): void
  refused(error: unknown): void
  /** Whether it is sent again after an error that is retryable. */
  readonly repeat: boolean
  /** Whether it waits for a connection, and is sent again on the next one, unless it has been answered. Otherwise it fails with its connection. */
  readonly resend: boolean
  /**
   * Whether it counts against the maximum of calls that wait, and is refused beyond it. What the client itself needs does
   * not count: an application that waits with many publications keeps its subscriptions.
   */
  readonly counts: boolean
}

interface Pending extends Call {
  /** On the present connection. */
  isSent: boolean
  timer?: ReturnType<typeof setTimeout>
}

/** The calls without an answer, oldest first. */
export class Calls {
  readonly #send: (frame: ClientFrame) => boolean
  readonly #maxPending: number
  readonly #pending = new Map<number, Pending>()
  #lastId = 0
  #counted = 0

  /** @param init.send returns false when there is no connection, and throws when the frame can not be sent at all */
  constructor(init: { send: (frame: ClientFrame) => boolean; maxPending: number }) {
    this.#send = init.send
    this.#maxPending = init.maxPending
  }

  /** @returns gives the call up; its callbacks run no more */
  add(call: Call): () => void {
    if (call.counts && this.#counted >= this.#maxPending) {
      call.refused(clientError('too_many_calls'))
      return () => {}
    }
    const id = ++this.#lastId
    this.#pending.set(id, { ...call, isSent: false })
    if (call.counts) this.#counted++
    if (!this.#sendOne(id) && !call.resend) this.#take(id)?.refused(clientError('connection_lost'))
    return () => this.#take(id)
  }

  /** Gives an answer to its call. Returns false if the frame is no answer. */
  answer(frame: ServerFrame): boolean {
    if (!('id' in frame) || typeof frame.id !== 'number') return false
    const call = this.#pending.get(frame.id)
    // Such as the second answer to a call that was sent twice.
    if (call === undefined) return true
    if (frame.type !== 'error') {
      this.#take(frame.id)?.answered(frame)
    } else if (frame.retryable === true && call.repeat) {
      const { id } = frame
      clearTimeout(call.timer)
      call.timer = setTimeout(() => this.#sendOne(id), repeatAfterMs(frame.retryAfterMs))
    } else {
      this.#take(frame.id)?.refused(new PeergateError(frame))
    }
    return true
  }

  /** Sends what waited for a connection, in its order. */
  connected(): void {
    for (const [id, { isSent }] of this.#pending) if (!isSent) this.#sendOne(id)
  }

  lost(): void {
    for (const call of this.#pending.values()) call.isSent = false
    const lost = Array.from(this.#pending).filter(([, call]) => !call.resend)
    for (const [id] of lost) this.#take(id)?.refused(clientError('connection_lost'))
  }

  end(error: unknown): void {
    for (const id of Array.from(this.#pending.keys())) this.#take(id)?.refused(error)
  }

  #sendOne(id: number): boolean {
    const call = this.#pending.get(id)
    if (call === undefined) return true
    clearTimeout(call.timer)
    try {
      call.isSent = this.#send({ ...call.frame, id })
      return call.isSent
    } catch (error) {
      // No gateway takes it. The other calls go on.
      this.#take(id)?.refused(error)
      return true
    }
  }

  #take(id: number): Call | undefined {
    const call = this.#pending.get(id)
    clearTimeout(call?.timer)
    this.#pending.delete(id)
    if (call?.counts) this.#counted--
    return call
  }
}
