import type { Stream } from '@libp2p/interface'
import type { Limits } from '../../../limits.ts'
import { createEcho, type Echo } from './echo.ts'
import type { GossipTraits } from './gossip-traits.ts'
import { isTakenAlone, type OutgoingMessage } from './outgoing-message.ts'
import { createPacedQueue, type PacedQueue } from './paced-queue.ts'
import { createWrittenLately, type WrittenLately } from './written-lately.ts'

export type LaneLimits = Pick<
  Limits,
  | 'maxPacedMessages'
  | 'pacedMessageMs'
  | 'kuboMessageMs'
  | 'maxPubsubBufferBytes'
  | 'maxStreamBufferBytes'
  | 'maxMessageBytes'
  | 'silentLinkMs'
  | 'returnMs'
>

/** The state of the way out to one neighbour. */
export interface Lane {
  /** The peer has missed messages, and is handed nothing until it has caught up. */
  isBehind: boolean
  /** A message was kept from the peer since the last `settle`. */
  hasMissed: boolean
  /** The largest RPC that the peer takes; infinite until it refuses one. */
  maxRpcBytes: number
  /** A stream without room, until it has some. */
  full: Stream | undefined
  /** When the stream was last empty before a write, by the monotonic clock. Everything written since may be unread. */
  emptyAt: number
  /** gossipsub has removed the peer and its subscriptions although the link is open. The peer will send them again. */
  isForgotten: boolean
  /** Size of the largest frame that may have made the peer end the stream. */
  suspectBytes: number
  /** While the peer is behind: the id of the first message that it may not have received. */
  since: string | undefined
  /** It was told that the peer begins (`peer:begins`). */
  hasBegun: boolean
  /** Topics of the messages that the peer was sent, or missed. */
  readonly topics: Set<string>
  /** Sends control and subscriptions, in order, once something may follow what was sent. */
  readonly held: Array<() => boolean>
  readonly queue: PacedQueue<OutgoingMessage>
  readonly echo: Echo
  readonly written: WrittenLately
}

const writtenStepMs = 250

/** Milliseconds between two messages to a peer that takes no batches. */
function pauseOf({ writesEach }: GossipTraits, limits: Pick<LaneLimits, 'pacedMessageMs' | 'kuboMessageMs'>): number {
  return writesEach ? Math.max(limits.pacedMessageMs, limits.kuboMessageMs) : limits.pacedMessageMs
}

/** Milliseconds for which nothing follows a message that is taken alone where no echo says that it was read; half of it after an echo. */
const aloneMs = 100

function isAlone(message: OutgoingMessage, { measuresStrictly }: GossipTraits): boolean {
  return measuresStrictly && isTakenAlone(message)
}

/** Whether messages have to wait for each other, or for earlier ones. */
export function isQueued({ queue }: Lane, messages: OutgoingMessage[], traits: GossipTraits): boolean {
  return !queue.isIdle || !traits.takesBatches || messages.some((message) => isAlone(message, traits))
}

/** The peer has turned out to take batches, perhaps: what waits for pauses leaves. */
export function hurry({ queue }: Lane, traits: GossipTraits): void {
  if (traits.takesBatches) queue.hurry()
}

/** Number of RPCs of control that wait. When there are more, all leave. */
const maxHeld = 1_000

/** Sends control or subscriptions, as soon as they may follow what was sent. Returns false when the stream does not take them. */
export function sendControl(lane: Lane | undefined, send: () => boolean): boolean {
  if (lane === undefined || lane.queue.mayFollow) return send()
  lane.held.push(send)
  if (lane.held.length > maxHeld) sendHeld(lane)
  return true
}

function sendHeld({ held }: Lane): void {
  for (const send of held.splice(0)) send()
}

/** The pause between two messages of a peer that begins now (`peer:begins`), once for a lane; otherwise undefined. */
export function begin(lane: Lane, traits: GossipTraits, limits: LaneLimits): number | undefined {
  if (lane.hasBegun || !traits.mayIgnoreLate) return undefined
  lane.hasBegun = true
  return pauseOf(traits, limits)
}

/** @param init.since id of the first message that the peer may not have received; undefined when it is not behind */
export function createLane(
  { limits, since }: { limits: LaneLimits; since: string | undefined },
  components: {
    traits(): GossipTraits
    /** Writes one message of the queue. Returns false when there is no room. */
    send(lane: Lane, message: OutgoingMessage): boolean
    openPing(): Promise<Stream>
    /** The queue has room again. */
    onRoom(): void
  },
): Lane {
  const { traits, send, openPing, onRoom } = components
  const lane: Lane = {
    isBehind: since !== undefined,
    hasMissed: false,
    maxRpcBytes: Number.POSITIVE_INFINITY,
    full: undefined,
    emptyAt: 0,
    isForgotten: false,
    suspectBytes: 0,
    since,
    hasBegun: false,
    topics: new Set(),
    held: [],
    queue: createPacedQueue(
      { maxItems: limits.maxPacedMessages, maxBytes: limits.maxPubsubBufferBytes },
      {
        pauseMs: (message) => (isAlone(message, traits()) ? aloneMs : pauseOf(traits(), limits)),
        isAlone: (message) => isAlone(message, traits()),
        send: (message) => send(lane, message),
        untilRead: () => lane.echo.ask(),
        onRoom,
        onFollow() {
          sendHeld(lane)
          hurry(lane, traits())
        },
      },
    ),
    echo: createEcho({ open: openPing }),
    written: createWrittenLately({ keepMs: limits.silentLinkMs, stepMs: writtenStepMs }),
  }
  return lane
}
