import { EventEmitter } from 'node:events'
import type { RecordSocket } from '../link/record-socket.ts'
import { tagBytes } from '../noise/cipher-state.ts'
import { ProtocolViolation } from '../wire/frame-stream.ts'
import { type CircuitEnd, type CircuitEndListener, circuitWindow } from './circuit-ends.ts'

/** One end of a circuit through a relay. It carries a link as a WebSocket does; the relay sees encrypted bytes only. */
export interface Circuit extends RecordSocket {
  readonly listener: CircuitEndListener
}

/**
 * The target's end of a circuit, open from the start. The leg may be used once the caller has announced that it is
 * opened.
 */
export function createCircuit(leg: CircuitEnd): Circuit {
  return new CircuitSocket(() => leg)
}

/**
 * Opens a circuit through a relay.
 * @throws Error when the relay or the peer refuses, or the signal's reason
 */
export async function openCircuit(begin: (listener: CircuitEndListener) => CircuitEnd, signal: AbortSignal): Promise<Circuit> {
  signal.throwIfAborted()
  const opened = Promise.withResolvers<void>()
  const circuit = new CircuitSocket(begin, opened)
  const giveUp = () => opened.reject(signal.reason)
  signal.addEventListener('abort', giveUp)
  try {
    await opened.promise
    return circuit
  } catch (error) {
    circuit.terminate()
    throw error
  } finally {
    signal.removeEventListener('abort', giveUp)
  }
}

interface Queued {
  message: Uint8Array
  sent: ((error?: Error) => void) | undefined
}

class CircuitSocket extends EventEmitter implements Circuit, CircuitEndListener {
  readonly OPEN = 1
  readonly listener = this
  readonly #leg: CircuitEnd
  readonly #opening: PromiseWithResolvers<void> | undefined
  #isOpen = true
  /** Whether `close` was emitted. */
  #isTold = false
  /** Whether messages that were not read are dropped. */
  #isCut = false
  #credit = circuitWindow
  /** Messages that wait for credit. */
  #queue: Queued[] = []
  bufferedAmount = 0
  isPaused = false
  /** Messages that wait for `resume`. */
  #inbox: Buffer[] = []
  /** Bytes that the other end may still send, and bytes read here that are not yet credited to it. */
  #granted = circuitWindow
  #read = 0

  constructor(begin: (listener: CircuitEndListener) => CircuitEnd, opening?: PromiseWithResolvers<void>) {
    super()
    this.#opening = opening
    this.#leg = begin(this)
  }

  get readyState(): number {
    return this.#isOpen ? this.OPEN : 3
  }

  send(message: Uint8Array, _options: { binary: true }, sent?: (error?: Error) => void): void {
    if (!this.#isOpen) {
      sent?.(new Error('the circuit is closed'))
      return
    }
    this.#queue.push({ message, sent })
    this.bufferedAmount += message.length
    this.#flush()
  }

  pause(): void {
    this.isPaused = true
  }

  resume(): void {
    this.isPaused = false
    // Deferred, as with a socket.
    queueMicrotask(() => this.#deliver())
  }

  close(): void {
    this.#end('the peer closed the link')
  }

  terminate(): void {
    this.#isCut = true
    this.#end('the peer cut the link')
    queueMicrotask(() => this.#deliver())
  }

  onOpened(): void {
    this.#opening?.resolve()
  }

  onData(message: Buffer): void {
    this.#granted -= message.length
    if (this.#granted < 0) throw new ProtocolViolation('more bytes on a circuit than its credit allows')
    // Credit counts bytes, so messages of few bytes would be many. The relay may be an older one, which passes them on.
    if (message.length < tagBytes) {
      this.#end('a message is too short')
      return
    }
    // Copied, since the message would keep the whole record of the relay's link alive.
    this.#inbox.push(Buffer.from(message))
    this.#deliver()
  }

  onCredit(bytes: number): void {
    this.#credit += bytes
    // A relay that is an older one passes it on.
    if (this.#credit > circuitWindow) this.#end('credit that is not due')
    this.#flush()
  }

  onClose(reason: string): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#opening?.reject(new Error(reason))
    const waiting = this.#queue
    this.#queue = []
    this.bufferedAmount = 0
    for (const { sent } of waiting) sent?.(new Error(reason))
    queueMicrotask(() => this.#deliver())
  }

  #deliver(): void {
    while (!this.isPaused && this.listenerCount('message') > 0) {
      const message = this.#inbox.shift()
      if (message === undefined) break
      this.#read += message.length
      this.emit('message', message, true)
      if (this.#read < circuitWindow / 2 || !this.#isOpen) continue
      this.#granted += this.#read
      this.#leg.credit(this.#read)
      this.#read = 0
    }
    // As with a WebSocket, what came before the end is read before it.
    if (this.#isOpen || this.#isTold || (this.#inbox.length > 0 && !this.#isCut)) return
    this.#isTold = true
    this.emit('close')
  }

  #flush(): void {
    while (this.#isOpen) {
      const [next] = this.#queue
      if (next === undefined || next.message.length > this.#credit) return
      this.#queue.shift()
      this.#credit -= next.message.length
      this.bufferedAmount -= next.message.length
      if (!this.#leg.data(next.message)) this.#end('the link to the relay has no room')
      if (next.sent !== undefined) queueMicrotask(next.sent)
    }
  }

  #end(reason: string): void {
    if (!this.#isOpen) return
    this.#leg.close(reason)
    this.onClose(reason)
  }
}
