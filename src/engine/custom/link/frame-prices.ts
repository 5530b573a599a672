import type { OverlayFrame } from '../overlay/frames.ts'
import { frameTypes } from './frame-types.ts'

/**
 * What a frame of a peer costs it of its budget (frame-budget.ts), in units of about a microsecond of the event loop on a slow machine; what
 * honest peers send seldom costs more than its work. Bytes of bodies, messages and circuits cost nothing here: they are bounded where they
 * are held. A second part of the price is counted when it is known what the frame was for.
 */
const prices: Record<number, number> = {
  /** Everybody who shows the peer is told of it. */
  [frameTypes.hello]: 10_000,
  /** Given back for a message that is new: the inbox bounds those, by author and topic. */
  [frameTypes.message]: 20,
  [frameTypes.control]: 10,
  /** A heartbeat is one in ten seconds, and a peer's clients may have us pinged as well. */
  [frameTypes.ping]: 1_000,
  [frameTypes.pong]: 20,
  [frameTypes.request]: 20,
  [frameTypes.requestBody]: 5,
  [frameTypes.answer]: 20,
  [frameTypes.answerBody]: 5,
  [frameTypes.cancel]: 20,
  /** To open a circuit has another peer told. */
  [frameTypes.circuit]: 500,
  [frameTypes.circuitData]: 10,
  [frameTypes.circuitCredit]: 10,
  [frameTypes.goodbye]: 0,
}

/** The price of a frame by its type, counted before it is worked on; one of a later version has its price as `useless`. */
export function priceOf(type: number): number {
  return prices[type] ?? 0
}

/** Beside the frame's own price, for a frame that nothing here waits for: of what is over, or of a later version. */
export function priceOfUseless(bytes: number): number {
  return 100 + bytes / 10
}

/** Beside the frame's own price, when a request was for nothing. */
export const requestPrices = {
  /** A peer has heard in the hello which protocols are answered. */
  unsupported: 1_000,
  /** A peer that is told `failed` comes again later. */
  failed: 200,
  /** Given up by the peer, also at once. */
  cancelled: 200,
} as const

/** What a control frame has this node do beside being read, by what is in it. */
export function priceOfControl(frame: OverlayFrame): number {
  switch (frame.type) {
    case 'subscriptions':
      // For each topic that we have as well, the peer is told of the last messages.
      return 200 * (frame.add.length + frame.remove.length)
    case 'ihave':
      return 2 * frame.messages.length
    case 'graft':
      // Each may be answered by a message.
      return 20 + 5 * frame.ids.length
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
