import type { Entry } from '../log/entry.ts'
import type { Hub, HubStep, Prunes, Removed } from '../log/hub.ts'
import type { TokenAction } from '../model/action.ts'
import type { Seq } from '../model/cursor.ts'
import { formatCursor } from '../model/cursor.ts'
import { type GapReason, placeOf } from '../model/gap.ts'
import type { Encoding } from '../model/payload.ts'
import { matchesTopic, type TopicFilter } from '../model/topic.ts'
import type { Outlet } from './outlet.ts'
import { naming } from './server-frames.ts'

/**
 * One subscription of a connection: a filter and a position. Replay and live delivery are the same loop: `advance` is
 * called while the socket is writable. Only a subscription that has read everything waits for the hub to wake it.
 */
export interface Subscription {
  readonly name: string | undefined
  readonly filter: TopicFilter
  readonly peers: boolean
  readonly deliveries: boolean
  /** Whether it is sent the messages that its client publishes. */
  readonly own: boolean
  /** What the token must allow for it. */
  readonly action: TokenAction
  /** Everything up to this seq was sent. A client that resumes here misses nothing. */
  readonly position: Seq
  /** The step of pruning up to which all losses are known to the client or listed in `gaps`. */
  readonly prunedSince: number
  readonly gaps: Gaps
  /** Whether there may be messages to send. */
  readonly ready: boolean
  /** Sends one step. Returns a promise if the step has to be read from the store. */
  advance(): void | Promise<void>
  /** Sends `progress` to a quiet subscriber, so that it can move its saved position. */
  reportProgress(): void
  close(): void
}

export interface SubscriptionInit {
  name: string | undefined
  /** The client that owns it (`clientKey`). */
  client: string
  filter: TopicFilter
  encoding: Encoding
  peers: boolean
  deliveries: boolean
  /** Whether a message is to be left out. Its position moves past it all the same. */
  isLeftOut?: ((seq: Seq) => boolean) | undefined
  after: Seq
  prunedSince: number
  /** Gaps that the replaced subscription has not announced yet. */
  gaps: Gaps
  /** Released when the subscription is closed. */
  interest: Disposable
  maxStepBytes: number
}

/**
 * Messages that were pruned before they were read here, by topic; the key `undefined` stands for all topics that the
 * store has forgotten. Each gap is announced before any message after it is sent.
 */
export type Gaps = ReadonlyMap<string | undefined, { from: Seq; to: Seq }>

export interface SubscriptionComponents {
  hub: Hub
  outlet: Outlet
  /** Called when a quiet subscription has messages to send again. */
  onReady(): void
}

export function createSubscription(init: SubscriptionInit, components: SubscriptionComponents): Subscription {
  return new Reader(init, components)
}

const noGaps: Gaps = new Map()

class Reader implements Subscription {
  readonly action = 'read'
  readonly #init: SubscriptionInit
  readonly #components: SubscriptionComponents
  readonly #unfollow: () => void
  #position: Seq
  #prunedSince: number
  #gaps: Map<string | undefined, { from: Seq; to: Seq }> | undefined
  #ready = true
  #caughtUp = false
  #closed = false

  constructor(init: SubscriptionInit, components: SubscriptionComponents) {
    this.#init = init
    this.#components = components
    this.#position = init.after
    this.#prunedSince = init.prunedSince
    const gaps = [...init.gaps].filter(([topic]) => topic === undefined || matchesTopic(init.filter, topic))
    if (gaps.length > 0) this.#gaps = new Map(gaps)
    this.#unfollow = components.hub.follow(init.filter, (first) => this.#wake(first))
  }

  get name(): string | undefined {
    return this.#init.name
  }

  get filter(): TopicFilter {
    return this.#init.filter
  }

  get deliveries(): boolean {
    return this.#init.deliveries
  }

  get own(): boolean {
    return this.#init.isLeftOut === undefined
  }

  get peers(): boolean {
    return this.#init.peers
  }

  get prunedSince(): number {
    return this.#prunedSince
  }

  get gaps(): Gaps {
    return this.#gaps ?? noGaps
  }

  get position(): Seq {
    return this.#ready ? this.#position : Math.max(this.#position, this.#components.hub.tip)
  }

  get ready(): boolean {
    return this.#ready && !this.#closed
  }

  advance(): void | Promise<void> {
    const { client, filter, maxStepBytes } = this.#init
    const step = this.#components.hub.read(this.#position, filter, maxStepBytes, this.#prunedSince, client)
    return step instanceof Promise ? step.then((read) => this.#deliver(read)) : this.#deliver(step)
  }

  reportProgress(): void {
    const { hub, outlet } = this.#components
    if (this.#ready) return
    this.#position = Math.max(this.#position, hub.tip)
    outlet.send({ type: 'progress', ...naming(this.name), cursor: formatCursor(hub.epoch, this.#position) })
  }

  close(): void {
    this.#closed = true
    this.#unfollow()
    this.#init.interest[Symbol.dispose]()
  }

  #wake(first: Seq): void {
    if (this.#ready) return
    // The subscription had read everything, so no message before `first` matches its filter.
    this.#position = Math.max(this.#position, first - 1)
    this.#ready = true
    this.#components.onReady()
  }

  #deliver(step: HubStep): void {
    if (this.#closed) return
    const { outlet } = this.#components
    if (this.#gaps !== undefined || !isWhole(step)) outlet.together(() => this.#send(step))
    else if (!this.#caughtUp) outlet.together(() => this.#sendEntries(step))
    // The most frequent case is one write.
    else this.#sendEntries(step)
  }

  /** Sends a step that has nothing but messages. */
  #sendEntries({ entries, scanned }: HubStep): void {
    const { hub, outlet } = this.#components
    const { isLeftOut } = this.#init
    const sent = isLeftOut === undefined ? entries : entries.filter(({ message }) => !isLeftOut(message.seq))
    outlet.sendEntries(sent, this.#init)
    for (const { message } of sent) hub.traffic.delivered(message.topic)
    this.#advanceTo(scanned)
  }

  #sendEntry(entry: Entry): void {
    if (this.#init.isLeftOut?.(entry.message.seq) === true) return
    const { hub, outlet } = this.#components
    hub.traffic.delivered(entry.message.topic)
    outlet.sendEntry(entry, this.#init)
  }

  #send(step: HubStep): void {
    if (step.prunes !== undefined) this.#noteGaps(step.prunes)
    const removed = [...(step.removed ?? [])]
    for (const entry of step.entries) {
      this.#announceUpTo(entry.message.seq - 1, removed)
      this.#sendEntry(entry)
    }
    this.#announceUpTo(step.scanned, removed)
    this.#advanceTo(step.scanned)
  }

  /**
   * Announces gaps and removed messages up to a seq. Takes the announced ones off `removed`, which is in log order.
   */
  #announceUpTo(through: Seq, removed: Removed[]): void {
    for (let [first] = removed; first !== undefined && first.seq <= through; [first] = removed) {
      removed.shift()
      this.#announceGaps(first.seq)
      this.#announce(first.topic, { from: first.seq - 1, to: first.seq, reason: first.reason })
    }
    this.#announceGaps(through)
  }

  #advanceTo(scanned: Seq): void {
    const { hub, outlet } = this.#components
    this.#position = scanned
    if (scanned < hub.tip) return
    this.#ready = false
    if (this.#caughtUp) return
    this.#caughtUp = true
    outlet.send({ type: 'caught-up', ...naming(this.name), cursor: formatCursor(hub.epoch, scanned) })
  }

  #noteGaps(prunes: Prunes): void {
    this.#prunedSince = Math.max(this.#prunedSince, prunes.count)
    for (const { topic, through } of prunes.topics) {
      this.#gaps ??= new Map()
      this.#gaps.set(topic, { from: this.#gaps.get(topic)?.from ?? this.#position, to: through })
    }
  }

  /**
   * Announces the gaps that end up to a seq, in the order of their ends, so that a client's saved cursor never moves
   * back.
   */
  #announceGaps(through: Seq): void {
    if (this.#gaps === undefined) return
    const ended = [...this.#gaps].filter(([, { to }]) => to <= through).toSorted(([, one], [, other]) => one.to - other.to)
    for (const [topic, { from, to }] of ended) {
      this.#gaps.delete(topic)
      this.#announce(topic, { from, to, reason: 'pruned' })
    }
    if (this.#gaps.size === 0) this.#gaps = undefined
  }

  #announce(topic: string | undefined, { from, to, reason }: { from: Seq; to: Seq; reason: GapReason }): void {
    const { hub, outlet } = this.#components
    const [first, last] = [formatCursor(hub.epoch, from), formatCursor(hub.epoch, to)]
    outlet.send({ type: 'gap', ...naming(this.name), ...placeOf(topic), from: first, to: last, reason })
  }
}

/** Whether the step has nothing but messages. */
function isWhole({ prunes, removed }: HubStep): boolean {
  return prunes === undefined && removed === undefined
}
