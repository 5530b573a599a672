import type { Consumers } from '../consumers/consumers.ts'
import type { HandedOut, Work, Worker } from '../consumers/workers.ts'
import { toPeergateError } from '../errors.ts'
import type { Hub } from '../log/hub.ts'
import { formatClaim } from '../model/consumer.ts'
import type { Seq } from '../model/cursor.ts'
import { messageView } from '../model/message.ts'
import type { Encoding } from '../model/payload.ts'
import { subscriptionFilter, type TopicFilter } from '../model/topic.ts'
import type { ConsumerRecord } from '../store/consumer-store.ts'
import type { Outlet } from './outlet.ts'
import { errorFrame, naming, type ServerFrame } from './server-frames.ts'
import type { Gaps, Subscription } from './subscription.ts'

export interface ConsumerSubscriptionInit {
  name: string | undefined
  consumer: ConsumerRecord
  /** Maximum messages that the client has at a time. */
  maxUnacked: number
  encoding: Encoding
  /** Released when the subscription is closed. */
  interest: Disposable
}

export interface ConsumerSubscriptionComponents {
  consumers: Pick<Consumers, 'work'>
  hub: Pick<Hub, 'tip'>
  outlet: Outlet
  onReady(): void
  /** Whether no subscription to a consumer has messages to send: a connection holds one batch of them at most. */
  isIdle(): boolean
  /** It had messages to send and has none any more: those of the connection have room again. */
  onIdle(): void
  /** The consumer is gone. */
  onEnd(): unknown
}

/**
 * A subscription whose position is a consumer's: it sends what the consumer hands out to this connection. The next
 * messages are taken when the client has read the last ones.
 */
export class ConsumerSubscription implements Subscription, Worker {
  readonly action = 'consume'
  readonly peers = false
  readonly deliveries = false
  readonly own = true
  readonly once = false
  readonly prunedSince = 0
  readonly gaps: Gaps = new Map()
  readonly filter: TopicFilter
  readonly #init: ConsumerSubscriptionInit
  readonly #components: ConsumerSubscriptionComponents
  readonly #work: Work
  /** Handed out, and not sent yet. */
  readonly #waiting: HandedOut[] = []

  constructor(init: ConsumerSubscriptionInit, components: ConsumerSubscriptionComponents) {
    this.#init = init
    this.#components = components
    this.filter = subscriptionFilter(init.consumer.settings)
    this.#work = components.consumers.work(init.consumer, this)
  }

  get name(): string | undefined {
    return this.#init.name
  }

  /** Where a subscription begins that replaces this one. */
  get position(): Seq {
    return this.#components.hub.tip
  }

  get ready(): boolean {
    return this.#waiting.length > 0
  }

  get room(): number {
    const { outlet, isIdle } = this.#components
    return outlet.writable && isIdle() ? this.#init.maxUnacked : 0
  }

  take(messages: HandedOut[]): void {
    this.#waiting.push(...messages)
    this.#components.onReady()
  }

  /** Sends as much as the client reads; the rest when it has read that. */
  advance(): void {
    let sent = 0
    this.#components.outlet.sendMany(() => {
      const next = this.#waiting[sent]
      if (next !== undefined) sent++
      return next && this.#frameOf(next)
    })
    this.#waiting.splice(0, sent)
    if (this.#waiting.length === 0) this.#components.onIdle()
  }

  #frameOf({ message, epoch, attempt, claim: own }: HandedOut): ServerFrame {
    const { name, consumer, encoding } = this.#init
    const view = messageView(message, epoch, encoding)
    const claim = formatClaim({ id: message.id, claim: own })
    return { type: 'message', ...naming(name), consumer: consumer.name, attempt, claim, message: view }
  }

  ended(error: unknown): void {
    this.close()
    this.#components.onEnd()
    this.#components.outlet.send(errorFrame(toPeergateError(error), undefined, this.name))
  }

  reportProgress(): void {}

  /** There is room again. */
  wake(): void {
    this.#work.wake()
  }

  close(): void {
    const unsent = this.#waiting.splice(0).map(({ message }) => message.id)
    if (unsent.length > 0) this.#components.onIdle()
    this.#work.end(unsent)
    this.#init.interest[Symbol.dispose]()
  }
}
