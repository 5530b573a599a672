/** The first byte of a frame on a link. */
export const frameTypes = {
  hello: 1,
  message: 2,
  control: 3,
  ping: 4,
  pong: 5,
  request: 6,
  requestBody: 7,
  answer: 8,
  answerBody: 9,
  cancel: 10,
  circuit: 11,
  circuitData: 12,
  circuitCredit: 13,
  goodbye: 14,
  moved: 15,
} as const

/** Bytes of the frame type, and of the number in front of a piece of a body or of circuit data. */
const typeBytes = 1
const numberBytes = 4

/**
 * Maximum bytes of a frame by type, the type byte included. A longer frame ends the link before its bytes have arrived.
 */
const maxBytes: Partial<Record<number, number>> = {
  [frameTypes.hello]: 16_384,
  /** The longest control frame, `subscriptions`, has 512 topics of 256 bytes. */
  [frameTypes.control]: 147_456,
  [frameTypes.ping]: typeBytes + 8,
  [frameTypes.pong]: typeBytes + 8,
  [frameTypes.request]: 1_024,
  [frameTypes.requestBody]: typeBytes + numberBytes + 65_536,
  [frameTypes.answer]: 256,
  [frameTypes.answerBody]: typeBytes + numberBytes + 65_536,
  [frameTypes.cancel]: typeBytes + numberBytes,
  [frameTypes.circuit]: 1_024,
  [frameTypes.circuitData]: typeBytes + numberBytes + 65_535,
  [frameTypes.circuitCredit]: typeBytes + 2 * numberBytes,
  /** Eight peers with eight addresses of 256 bytes. */
  [frameTypes.goodbye]: 20_480,
  [frameTypes.moved]: typeBytes,
}
/** Maximum bytes of a frame of an unknown type, which belongs to a later version and is ignored. */
const maxUnknownBytes = 69_632
/** The topic, key, signature and hops of a message. */
const messageOverheadBytes = 4_096

export interface FrameBounds {
  maxFrameBytes: number
  maxBytesOf(type: number): number
}

export function frameBoundsFor({ maxMessageBytes }: { maxMessageBytes: number }): FrameBounds {
  const maxMessage = maxMessageBytes + messageOverheadBytes
  return {
    maxFrameBytes: Math.max(maxMessage, ...Object.values(maxBytes).map((bytes) => bytes ?? 0)),
    maxBytesOf: (type) => (type === frameTypes.message ? maxMessage : (maxBytes[type] ?? maxUnknownBytes)),
  }
}
