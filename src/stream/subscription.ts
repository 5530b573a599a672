import type { Seq } from '../model/cursor.ts'
import { formatCursor } from '../model/cursor.ts'
import type { Encoding } from '../model/payload.ts'
import type { TopicFilter } from '../model/topic.ts'
import type { Hub, HubStep } from './hub.ts'
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
  maxStepBytes: number
}

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

  const unfollow = hub.follow(filter, (first) => {
    if (ready) return
    // It had read everything, so nothing below the message that woke it concerns it.
    position = Math.max(position, first - 1)
    ready = true
    components.onReady()
  })

  function deliver(step: HubStep): void {
    if (closed) return
    for (const entry of step.entries) outlet.sendEncoded(entry.frame(encoding, name))
    position = step.scanned
    if (position < hub.tip) return
    ready = false
    if (caughtUp) return
    caughtUp = true
    outlet.send({ type: 'caught-up', ...naming, cursor: formatCursor(hub.epoch, position) })
  }

  return {
    name,
    peers: init.peers,
    get position() {
      return ready ? position : Math.max(position, hub.tip)
    },
    get ready() {
      return ready && !closed
    },
    advance() {
      const step = hub.read(position, filter, init.maxStepBytes)
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
