import type { Seq } from '../model/cursor.ts'
import { formatCursor } from '../model/cursor.ts'
import type { Encoding } from '../model/payload.ts'
import { matchesTopic, type TopicFilter } from '../model/topic.ts'
import type { Hub, HubStep, Prunes } from './hub.ts'
import type { Outlet } from './outlet.ts'

/**
 * One subscription of a connection: a filter and a position. Replay and live are the same loop, `advance`, called again and again while
 * the socket takes what it sends; only a subscription that has read everything waits for the hub to wake it.
 */
export interface Subscription {
  readonly name: string | undefined
  readonly peers: boolean
  /** What was sent up to here; a client that resumes here misses nothing. */
  readonly position: Seq
  /** What was pruned up to this step of pruning is no news to the client, or among the gaps. */
  readonly prunedSince: number
  readonly gaps: Gaps
  /** Whether there may be something to send. */
  readonly ready: boolean
  /** Sends one step; a promise when the store has to be asked for it. */
  advance(): void | Promise<void>
  /** Tells a quiet subscriber how far it may move its saved position. */
  reportProgress(): void
  close(): void
}

export interface SubscriptionInit {
  name: string | undefined
  filter: TopicFilter
  encoding: Encoding
  peers: boolean
  after: Seq
  prunedSince: number
  /** Still to be announced by the subscription that this one replaces. */
  gaps: Gaps
  maxStepBytes: number
}

/** By topic: messages that were pruned before they were read here, to be announced before anything behind them is sent. */
export type Gaps = ReadonlyMap<string, { from: Seq; to: Seq }>

export interface SubscriptionComponents {
  hub: Hub
  outlet: Outlet
  /** Called when a subscription that had nothing to send has something again. */
  onReady(): void
}

export function createSubscription(init: SubscriptionInit, components: SubscriptionComponents): Subscription {
  const { name, filter, encoding } = init
  const { hub, outlet } = components
  const naming = name === undefined ? {} : { subscription: name }
  let position = init.after
  let ready = true
  let caughtUp = false
  let closed = false
  let { prunedSince } = init
  const gaps = new Map([...init.gaps].filter(([topic]) => matchesTopic(filter, topic)))

  const unfollow = hub.follow(filter, (first) => {
    if (ready) return
    // It had read everything, so nothing below the message that woke it concerns it.
    position = Math.max(position, first - 1)
    ready = true
    components.onReady()
  })

  function deliver(step: HubStep): void {
    if (closed) return
    if (step.prunes !== undefined) noteGaps(step.prunes)
    for (const entry of step.entries) {
      if (gaps.size > 0) announceGaps(entry.message.seq - 1)
      outlet.sendEntry(entry, { encoding, name })
    }
    if (gaps.size > 0) announceGaps(step.scanned)
    position = step.scanned
    if (position < hub.tip) return
    ready = false
    if (caughtUp) return
    caughtUp = true
    outlet.send({ type: 'caught-up', ...naming, cursor: formatCursor(hub.epoch, position) })
  }

  function noteGaps(prunes: Prunes): void {
    prunedSince = Math.max(prunedSince, prunes.count)
    for (const { topic, through } of prunes.topics) gaps.set(topic, { from: gaps.get(topic)?.from ?? position, to: through })
  }

  /** Those that end up to a position. */
  function announceGaps(through: Seq): void {
    for (const [topic, { from, to }] of gaps) {
      if (to > through) continue
      gaps.delete(topic)
      outlet.send({ type: 'gap', ...naming, topic, from: formatCursor(hub.epoch, from), to: formatCursor(hub.epoch, to) })
    }
  }

  return {
    name,
    peers: init.peers,
    get prunedSince() {
      return prunedSince
    },
    gaps,
    get position() {
      return ready ? position : Math.max(position, hub.tip)
    },
    get ready() {
      return ready && !closed
    },
    advance() {
      const step = hub.read(position, filter, init.maxStepBytes, prunedSince)
      return step instanceof Promise ? step.then(deliver) : deliver(step)
    },
    reportProgress() {
      if (ready) return
      position = Math.max(position, hub.tip)
      outlet.send({ type: 'progress', ...naming, cursor: formatCursor(hub.epoch, position) })
    },
    close() {
      closed = true
      unfollow()
    },
  }
}
