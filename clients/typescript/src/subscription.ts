import { repeatAfterMs } from './back-off.ts'
import type { Connection } from './connection.ts'
import { CursorSaver } from './cursor-saver.ts'
import type { CursorStore } from './cursors.ts'
import { PeergateError } from './errors.ts'
import type { Message, ServerFrame } from './frames.ts'

/** What a subscription gives, in the order of the log. */
export type Item =
  | { type: 'message'; message: Message; cursor: string }
  /** Messages after `from`, up to and including `to`, are missing. `expired` and `other-log`: the position itself is of no use any more. */
  | { type: 'gap'; from: string; to: string; reason: string; topic?: string; direct?: true; cursor: string }
  /** All messages that were stored when the subscription began have come. Once. */
  | { type: 'caughtUp'; cursor: string }

export interface SubscribeOptions {
  /** Where to begin: after a cursor, at `earliest`, or at `latest`, the default. A position in `cursors` comes first. */
  after?: string
  /** Ends the loop. */
  signal?: AbortSignal
  /** Keeps the position while the program does not run. */
  cursors?: CursorStore
  /** Whether to include direct messages. */
  direct?: boolean
  /** Whether to include what this client publishes on its present connection. Default: true. */
  own?: boolean
  /** `base64`: all data; `json`: data that is JSON text as a value. */
  encoding?: 'base64' | 'json'
  /** Values that wait for the application; with as many the gateway sends no more. Default: 1,000. */
  maxBufferedItems?: number
  /** Characters of their frames. Default: 8 Mi, and one frame. */
  maxBufferedCharacters?: number
}

interface Entry {
  /** Absent for a position without a value. */
  item?: Item
  cursor: string
  length: number
}

/** Positions that the gateway refuses, with the reason of the gap up to where it can begin. */
const lostPositions = new Map([
  ['cursor_expired', 'expired'],
  ['cursor_epoch_mismatch', 'other-log'],
  ['cursor_ahead', 'other-log'],
])

let subscriptions = 0

/**
 * A subscription for `for await`. It asks again on each connection, after the last value that is in its buffer. When
 * the buffer is full it unsubscribes, and what is under way is dropped: it is asked for again when half is taken.
 */
export class Subscription implements AsyncIterableIterator<Item> {
  readonly #connection: Connection
  readonly #topics: readonly string[]
  readonly #options: SubscribeOptions
  readonly #limits: { items: number; characters: number }
  readonly #number = ++subscriptions
  readonly #saver: CursorSaver | undefined
  readonly #entries: Entry[] = []
  #characters = 0
  #position: string
  /** Name of the present subscription at the gateway; frames of earlier ones are ignored. */
  #name: string | undefined
  #asked = 0
  /** Takes the question back that has no answer yet. */
  #giveUp = () => {}
  /** Runs until it may be asked again. */
  #pause: ReturnType<typeof setTimeout> | undefined
  #lost: { from: string; reason: string } | undefined
  #isCaughtUp = false
  /** Cursor of the value that the application has. */
  #inHand: string | undefined
  #waiter: { resolve: (result: IteratorResult<Item>) => void; reject: (error: unknown) => void } | undefined
  #end: { error?: unknown } | undefined
  #leave = () => {}

  constructor(connection: Connection, topics: readonly string[], options: SubscribeOptions) {
    this.#connection = connection
    this.#topics = topics
    this.#options = options
    this.#limits = { items: options.maxBufferedItems ?? 1_000, characters: options.maxBufferedCharacters ?? 8 * 2 ** 20 }
    this.#position = options.after ?? 'latest'
    const store = options.cursors
    this.#saver = store === undefined ? undefined : new CursorSaver({ store, failed: (error) => this.#finish({ error }) })
    options.signal?.addEventListener('abort', this.#aborted, { once: true })
    if (options.signal?.aborted === true) this.#finish({})
    else void this.#start(store)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** The value before counts as handled. */
  async next(): Promise<IteratorResult<Item>> {
    if (this.#waiter !== undefined) throw new TypeError('next() was called before the value before had come')
    this.#handled()
    for (;;) {
      const entry = this.#entries.shift()
      if (entry === undefined) break
      this.#characters -= entry.length
      this.#resume()
      this.#inHand = entry.cursor
      if (entry.item !== undefined) return { done: false, value: entry.item }
      this.#handled()
    }
    if (this.#end !== undefined) {
      await this.#saver?.idle()
      const { error } = this.#end
      if (error === undefined) return { done: true, value: undefined }
      this.#end = {}
      throw error
    }
    return await new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject }
    })
  }

  /** `break` calls it, and so does an exception in the loop: the value that the loop has does not count as handled. */
  async return(): Promise<IteratorResult<Item>> {
    this.#inHand = undefined
    this.#entries.length = 0
    this.#finish({})
    await this.#saver?.idle()
    return { done: true, value: undefined }
  }

  readonly #aborted = () => {
    this.#entries.length = 0
    this.#finish({})
  }

  async #start(store: CursorStore | undefined): Promise<void> {
    try {
      this.#position = (await store?.load()) ?? this.#position
    } catch (error) {
      this.#finish({ error })
    }
    if (this.#end !== undefined) return
    this.#leave = this.#connection.join({
      connected: () => this.#subscribe(),
      lost: () => this.#forget(),
      frame: (frame, length) => this.#take(frame, length),
      ended: (error) => this.#finish(error.code === 'closed' ? {} : { error }),
    })
  }

  #subscribe(): void {
    this.#forget()
    if (this.#isFull()) return
    const name = `${this.#number}.${++this.#asked}`
    this.#name = name
    const { direct, own, encoding } = this.#options
    const frame = { type: 'subscribe', subscription: name, topics: this.#topics, after: this.#position, direct, own, encoding }
    this.#giveUp = this.#connection.call({
      frame,
      repeat: true,
      resend: false,
      counts: false,
      answered: (answer) => {
        if (answer.type === 'subscribed' && this.#name === name) this.#subscribed(answer.cursor)
      },
      refused: (error) => {
        if (this.#name === name) this.#refused(error, { afterAnswer: false })
      },
    })
  }

  #subscribed(cursor: string): void {
    const lost = this.#lost
    this.#lost = undefined
    if (lost !== undefined) this.#put({ item: { type: 'gap', ...lost, to: cursor, cursor }, cursor, length: 0 })
    this.#position = cursor
  }

  /** @param afterAnswer whether the gateway had accepted the subscription first */
  #refused(error: unknown, { afterAnswer }: { afterAnswer: boolean }): void {
    this.#forget()
    const wasEarliest = this.#position === 'earliest'
    if (!(error instanceof PeergateError)) return
    const reason = lostPositions.get(error.code)
    // The next connection asks again.
    if (error.code === 'connection_lost' || this.#end !== undefined) return
    if (reason === undefined) {
      this.#finish({ error })
      return
    }
    this.#lost ??= { from: this.#position, reason }
    this.#position = 'earliest'
    if (wasEarliest || afterAnswer) this.#subscribeLater()
    else this.#subscribe()
  }

  #take(frame: ServerFrame, length: number): void {
    if (!('subscription' in frame) || frame.subscription !== this.#name || this.#name === undefined) return
    if (frame.type === 'message') {
      const { message } = frame
      this.#put({ item: { type: 'message', message, cursor: message.cursor }, cursor: message.cursor, length })
    } else if (frame.type === 'gap') {
      const { type, from, to, reason, topic, direct } = frame
      const place = { ...(topic === undefined ? {} : { topic }), ...(direct === undefined ? {} : { direct }) }
      this.#put({ item: { type, from, to, reason, ...place, cursor: to }, cursor: to, length })
    } else if (frame.type === 'caught-up' && !this.#isCaughtUp) {
      this.#isCaughtUp = true
      this.#put({ item: { type: 'caughtUp', cursor: frame.cursor }, cursor: frame.cursor, length })
    } else if (frame.type === 'caught-up' || frame.type === 'progress') {
      this.#put({ cursor: frame.cursor, length: 0 })
    } else if (frame.type === 'error') {
      // Such as an interrupted database: the same place is asked for again.
      if (frame.retryable === true) this.#subscribeLater(frame.retryAfterMs)
      else this.#refused(new PeergateError(frame), { afterAnswer: true })
    }
  }

  /** A gateway that refuses at once, again and again, is asked at intervals. */
  #subscribeLater(askedMs?: number): void {
    this.#forget()
    this.#pause = setTimeout(() => this.#subscribe(), repeatAfterMs(askedMs))
  }

  /** What was asked, and what was going to be, is of no use any more. */
  #forget(): void {
    this.#name = undefined
    this.#giveUp()
    clearTimeout(this.#pause)
    this.#pause = undefined
  }

  #put(entry: Entry): void {
    this.#position = entry.cursor
    const waiter = this.#waiter
    if (waiter !== undefined) {
      this.#inHand = entry.cursor
      if (entry.item === undefined) {
        this.#handled()
        return
      }
      this.#waiter = undefined
      waiter.resolve({ done: false, value: entry.item })
      return
    }
    if (entry.item === undefined && this.#entries.at(-1)?.item === undefined) this.#entries.pop()
    this.#entries.push(entry)
    this.#characters += entry.length
    if (this.#isFull()) this.#unsubscribe()
  }

  #isFull(): boolean {
    return this.#entries.length >= this.#limits.items || this.#characters >= this.#limits.characters
  }

  #resume(): void {
    if (this.#name !== undefined || this.#pause !== undefined || this.#end !== undefined || this.#connection.state.type !== 'open') return
    if (this.#entries.length > this.#limits.items / 2 || this.#characters > this.#limits.characters / 2) return
    this.#subscribe()
  }

  #unsubscribe(): void {
    const subscription = this.#name
    this.#forget()
    if (subscription === undefined) return
    this.#connection.call({
      frame: { type: 'unsubscribe', subscription },
      repeat: true,
      resend: false,
      counts: false,
      answered: () => {},
      refused: () => {},
    })
  }

  #handled(): void {
    if (this.#inHand !== undefined) this.#saver?.save(this.#inHand)
    this.#inHand = undefined
  }

  #finish(end: { error?: unknown }): void {
    if (this.#end !== undefined) return
    this.#end = end
    this.#leave()
    this.#options.signal?.removeEventListener('abort', this.#aborted)
    this.#unsubscribe()
    const waiter = this.#waiter
    this.#waiter = undefined
    if (waiter !== undefined) this.next().then(waiter.resolve, waiter.reject)
  }
}
