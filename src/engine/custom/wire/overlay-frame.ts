import { encode } from 'cborg'
import { decodeCbor } from '../../../lib/cbor.ts'
import { type OverlayFrame, overlayFrameSchema } from '../overlay/frames.ts'
import { ProtocolViolation } from './frame-stream.ts'

/** All overlay frames except messages, encoded as CBOR (RFC 8949). */
export type ControlFrame = Exclude<OverlayFrame, { type: 'message' }>

/** Maximum CBOR items of a control frame. The longest, `ihave`, has 512 entries of seven items. */
const maxControlItems = 4_096

export function encodeControl(frame: ControlFrame): Uint8Array {
  return encode(frame, { ignoreUndefinedProperties: true })
}

/** @throws ProtocolViolation */
export function decodeControl(bytes: Uint8Array): ControlFrame {
  let frame: OverlayFrame
  try {
    frame = overlayFrameSchema.parse(decodeCbor(bytes, { rejectDuplicateMapKeys: true, maxItems: maxControlItems }))
  } catch (cause) {
    throw new ProtocolViolation('not a valid control frame', { cause })
  }
  if (frame.type === 'message') throw new ProtocolViolation('a message in a control frame')
  return frame
}

const spareBit = 0x80

/** The byte in front of a message: the number of links it has crossed, and whether it is a spare copy. */
export function messageHead({ hops, spare }: { hops: number; spare?: true | undefined }): Uint8Array {
  return Uint8Array.of(hops | (spare === true ? spareBit : 0))
}

/** @throws ProtocolViolation */
export function parseMessageHead(bytes: Uint8Array): { hops: number; spare?: true } {
  const [head] = bytes
  if (head === undefined) throw new ProtocolViolation('an empty message')
  return { hops: Math.min(head & ~spareBit, maxHops), ...((head & spareBit) === 0 ? {} : { spare: true }) }
}

const maxHops = 64
