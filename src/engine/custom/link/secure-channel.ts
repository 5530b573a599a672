import { createQueue } from '../../../lib/queue.ts'
import { maxMessageBytes } from '../noise/cipher-state.ts'
import type { Session } from '../noise/handshake.ts'
import { createFrameReader, type FrameReaderInit, frameHead, ProtocolViolation } from '../wire/frame-stream.ts'
import type { Established } from './establish.ts'
import { frameTurns } from './frame-turns.ts'
import type { RecordSocket } from './record-socket.ts'
import { writeRecords } from './records.ts'

/** Frames between two peers, encrypted, on one WebSocket. */
export interface SecureChannel {
  /**
   * Queues a frame. Frames of one turn of the event loop are sent together. Does nothing once the channel is closed.
   * When too many bytes wait, the other end causes writes without reading them, and the channel is cut.
   */
  write(type: number, ...parts: Uint8Array[]): void
  /** Whether written frames are sent. */
  readonly isOpen: boolean
  /** Bytes that were written and not yet taken by the network, with the overhead of each record. */
  readonly waitingBytes: number
  /** Resolves when at most `bytes` bytes wait, or the channel is closed. @throws the signal's reason */
  drained(bytes: number, signal: AbortSignal): Promise<void>
  /** Stops reading and taking frames until `resume`. */
  pause(): void
  resume(): void
  /** Takes all frames that the other end sent, also when it has closed the channel. */
  takeAll(): void
  /** Cuts the channel and takes no more frames. `onClose` gets the reason. */
  cut(reason: Error): void
  /** When the other end was last heard, in milliseconds of the monotonic clock. */
  readonly lastHeard: number
  /** The bytes of the records that the other end has sent. */
  readonly receivedBytes: number
  /** When the network last took a record that had to wait, which proves that the other end reads. */
  readonly lastTaken: number
  /**
   * Performs the closing handshake, and cuts the socket when the other end does not. Frames that the other end sent
   * before it noticed are ignored, unless the channel is `drained`.
   */
  close(options?: { drained: boolean }): void
}

export interface ChannelComponents extends ChannelHandlers {
  socket: RecordSocket
  established: Established
}

export interface ChannelHandlers {
  /** @throws ProtocolViolation, which closes the channel */
  onFrame(type: number, body: Buffer): void
  /** A record of this many bytes has completed no frame. */
  onPart?(bytes: number): void
  /** The channel is closed. Called once. */
  onClose(reason: Error | undefined): void
}

export const maxSocketMessageBytes = maxMessageBytes

/** Records after which both ends take a new key (Noise §11.3), which bounds what a stolen key decrypts. */
const recordsPerKey = 65_536

/** Milliseconds for the closing handshake of the WebSocket. */
const closeGraceMs = 1_000

/**
 * Milliseconds after which a record counts as having waited for the network. A record that finds room in the socket is
 * taken at once.
 */
const waitedMs = 100

/** Memory of a small record beside its bytes, until the network has taken it. */
const recordOverheadBytes = 512

export interface ChannelInit extends FrameReaderInit {
  /** Maximum bytes that are written and not yet taken by the network. */
  maxWaitingBytes: number
}

export function createSecureChannel(init: ChannelInit, components: ChannelComponents): SecureChannel {
  return new Channel(init, components)
}

/** Too many bytes wait for the other end. */
export class UnreadWrites extends ProtocolViolation {}

class Channel implements SecureChannel {
  readonly #socket: RecordSocket
  readonly #session: Session
  readonly #handlers: ChannelHandlers
  readonly #reader
  /** Frames, each in its parts. */
  #queue: Uint8Array[][] = []
  readonly #maxWaitingBytes: number
  #queuedBytes = 0
  /** Records that the network has not taken. */
  #waitingRecords = 0
  #sentRecords = 0
  #receivedRecords = 0
  #failure: Error | undefined
  #isDraining = false
  #waiters: Array<() => void> = []
  /** Whether the link wants to read. */
  #isWanted = false
  /** Records that were read and wait, and frames of the last decrypted record. Few, since reading stops meanwhile. */
  readonly #records = createQueue<Buffer>()
  readonly #frames = createQueue<Buffer>()
  /** Whether waiting records and frames are to be ignored. */
  #isOver = false
  /** Whether the socket is closed, and whether `onClose` was called. */
  #isEnded = false
  #isTold = false
  readonly #work = () => this.#workOnce()
  lastHeard = performance.now()
  receivedBytes = 0
  lastTaken = performance.now()

  constructor(init: ChannelInit, { socket, established, ...handlers }: ChannelComponents) {
    this.#maxWaitingBytes = init.maxWaitingBytes
    this.#socket = socket
    this.#session = established.session
    this.#handlers = handlers
    this.#reader = createFrameReader(init)
    socket.on('message', (record: Buffer, binary) => this.#onRecord(record, binary))
    socket.on('error', (error) => {
      this.#failure ??= error
    })
    socket.once('close', () => {
      this.#isEnded = true
      this.#wake()
      // Frames that the other end sent before it closed are still taken.
      frameTurns.run(this.#work)
    })
    // Deferred, so that the caller gets the channel before its first frame.
    queueMicrotask(() => {
      for (const record of established.early) this.#onRecord(record, true)
    })
  }

  get waitingBytes(): number {
    return this.#queuedBytes + this.#socket.bufferedAmount + this.#waitingRecords * recordOverheadBytes
  }

  write(type: number, ...parts: Uint8Array[]): void {
    if (!this.isOpen) return
    if (this.waitingBytes > this.#maxWaitingBytes) {
      this.cut(new UnreadWrites('the peer does not read the answers that it causes'))
      return
    }
    if (this.#queue.length === 0) queueMicrotask(() => this.#flush())
    let length = 1
    for (const part of parts) length += part.length
    this.#queue.push([frameHead(length, type), ...parts])
    this.#queuedBytes += length
  }

  async drained(bytes: number, signal: AbortSignal): Promise<void> {
    while (this.waitingBytes > bytes && this.isOpen) {
      signal.throwIfAborted()
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#waiters.push(resolve)
      signal.addEventListener('abort', () => resolve(), { once: true })
      await promise
    }
    signal.throwIfAborted()
  }

  pause(): void {
    this.#isWanted = false
    this.#steer()
  }

  resume(): void {
    this.#isWanted = true
    if (this.#hasWork) frameTurns.run(this.#work)
    this.#steer()
  }

  get #hasWork(): boolean {
    return !this.#isOver && (this.#frames.size > 0 || this.#records.size > 0)
  }

  #steer(): void {
    const reads = this.#isWanted && !this.#hasWork
    if (reads === this.#socket.isPaused) this.#socket[reads ? 'resume' : 'pause']()
  }

  takeAll(): void {
    this.#isDraining = true
  }

  cut(reason: Error): void {
    this.#failure ??= reason
    this.#isOver = true
    this.#socket.terminate()
  }

  close({ drained }: { drained: boolean } = { drained: false }): void {
    this.#isDraining = drained
    this.#isOver ||= !drained
    if (!this.isOpen) {
      // A socket tells that it is closed when it has been read to the end.
      this.resume()
      return
    }
    this.#flush()
    this.#socket.close()
    const cut = setTimeout(() => this.#socket.terminate(), closeGraceMs)
    this.#socket.once('close', () => clearTimeout(cut))
    this.resume()
  }

  get isOpen(): boolean {
    return this.#socket.readyState === this.#socket.OPEN
  }

  #flush(): void {
    const frames = this.#queue
    this.#queue = []
    this.#queuedBytes = 0
    if (!this.isOpen) return
    writeRecords(frames, (plaintext) => this.#send(plaintext))
  }

  #send(plaintext: Uint8Array): void {
    const record = this.#session.encrypt.encrypt(plaintext)
    this.#waitingRecords++
    const sentAt = performance.now()
    this.#socket.send(record, { binary: true }, () => this.#onSent(sentAt))
    if (++this.#sentRecords % recordsPerKey === 0) this.#session.encrypt.rekey()
  }

  #onSent(sentAt: number): void {
    this.#waitingRecords--
    const now = performance.now()
    if (now - sentAt > waitedMs) this.lastTaken = now
    this.#wake()
  }

  #wake(): void {
    const waiters = this.#waiters
    this.#waiters = []
    for (const wake of waiters) wake()
  }

  #onRecord(record: Buffer, binary: boolean): void {
    this.lastHeard = performance.now()
    this.receivedBytes += record.length
    if (!this.isOpen && !this.#isDraining) return
    if (!binary) {
      this.#fail(new ProtocolViolation('a text message'))
      return
    }
    this.#records.push(record)
    frameTurns.run(this.#work)
    this.#steer()
  }

  /** Takes one frame, or decrypts one record into frames; returns whether there is more to do now. */
  #workOnce(): boolean {
    if (this.#hasWork && !this.#isTaking) return false
    try {
      if (this.#hasWork) this.#takeNext()
    } catch (error) {
      this.#fail(error)
    }
    if (this.#hasWork) return this.#isTaking
    this.#steer()
    if (this.#isEnded && !this.#isTold) {
      this.#isTold = true
      this.#handlers.onClose(this.#failure)
    }
    return false
  }

  #takeNext(): void {
    const frame = this.#frames.shift()
    if (frame !== undefined) {
      this.#handlers.onFrame(frame[0] ?? 0, frame.subarray(1))
      return
    }
    const record = this.#records.shift()
    if (record === undefined) return
    const bytes = this.#session.decrypt.decrypt(record)
    if (++this.#receivedRecords % recordsPerKey === 0) this.#session.decrypt.rekey()
    const frames = this.#reader.take(bytes)
    if (frames.length === 0) this.#handlers.onPart?.(bytes.length)
    for (const each of frames) this.#frames.push(each)
  }

  get #isTaking(): boolean {
    return this.#isWanted || this.#isEnded
  }

  #fail(error: unknown): void {
    this.#failure ??= error instanceof Error ? error : new Error(String(error))
    this.close()
  }
}
