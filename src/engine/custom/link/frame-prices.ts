import type { OverlayFrame } from '../overlay/frames.ts'
import { frameTypes } from './frame-types.ts'

/**
 * The price of a frame, charged to the peer's budget (frame-budget.ts). One unit is about a microsecond of the event
 * loop on a slow machine. A frame that honest peers send rarely costs more than its work. The bytes of bodies, messages
 * and circuits cost nothing here: they are bounded where they are held. A second part of the price is charged once the
 * purpose of the frame is known.
 */
const prices: Record<number, number> = {
  /** Every listener of the engine's events hears of it. */
  [frameTypes.hello]: 10_000,
  /** Refunded for a new message, since the inbox bounds new messages by author and topic. */
  [frameTypes.message]: 20,
  [frameTypes.control]: 10,
  /** The heartbeat is one ping in ten seconds, and clients of the peer may ask for more. */
  [frameTypes.ping]: 1_000,
  [frameTypes.pong]: 20,
  [frameTypes.request]: 20,
  [frameTypes.requestBody]: 5,
  [frameTypes.answer]: 20,
  [frameTypes.answerBody]: 5,
  [frameTypes.cancel]: 20,
  /** Opening a circuit sends a frame to another peer. */
  [frameTypes.circuit]: 500,
  [frameTypes.circuitData]: 10,
  [frameTypes.circuitCredit]: 10,
  [frameTypes.goodbye]: 0,
  [frameTypes.moved]: 20,
}

/**
 * The price of a frame by its type, charged before the work. A frame type of a later version is charged as `useless`
 * instead.
 */
export function priceOf(type: number): number {
  return prices[type] ?? 0
}

/**
 * The price of a record that completes no frame. Frames of honest peers are longer than one record only when they fill
 * it, so records of 10 KiB and more cost nothing.
 */
export function priceOfPart(bytes: number): number {
  return Math.max(0, 20 - bytes / 512)
}

/** Added to the frame's own price when no part of this node waits for the frame: it is late, or of a later version. */
export function priceOfUseless(bytes: number): number {
  return 100 + bytes / 10
}

/** Added to the frame's own price when a request came to nothing. */
export const requestPrices = {
  /** The hello told the peer which protocols are served. */
  unsupported: 1_000,
  /** A peer that is told `failed` retries later. */
  failed: 200,
  /** The peer cancelled it, perhaps at once. */
  cancelled: 200,
} as const

/** The price of a topic that a peer joins or leaves: each listener hears of it, and a tree and a view may change. */
const priceOfTopic = 20

/** The price of messages that a peer is told of because it joined a topic. */
export function priceOfTold(messages: number): number {
  return 2 * messages
}

/** The price of the work that a control frame causes beyond decoding, by its content. */
export function priceOfControl(frame: OverlayFrame): number {
  switch (frame.type) {
    case 'subscriptions':
      return priceOfTopic * (frame.add.length + frame.remove.length)
    case 'ihave':
      return 2 * frame.messages.length
    case 'graft':
      // Each id may be answered with a message.
      return 20 + 5 * frame.ids.length
    case 'grafts':
      return 5 * frame.topics.length
    case 'join':
    case 'forward-join':
    case 'neighbor':
    case 'shuffle':
    case 'seek':
    case 'beacon':
      // Passed on, answered, or followed by a dial.
      return 200
    case 'shuffle-reply':
    case 'found':
      return 100
    case 'neighbor-reply':
    case 'disconnect':
    case 'prune':
      return 20
    case 'message':
      return 0
    default:
      return frame satisfies never
  }
}
