import { z } from 'zod'
import { InvalidFrame, InvalidJson, type PeergateError, UnknownFrameType } from '../errors.ts'
import { invalidInput } from '../model/validation.ts'
import { type ClientFrame, clientFrameSchema, type FrameId, frameActions } from './frames.ts'

/** `bad` is from a client that does not speak this protocol, `refused` from one that asked for something wrong. */
export type Decoded =
  | { kind: 'frame'; frame: ClientFrame }
  | { kind: 'refused'; id: FrameId | undefined; error: PeergateError }
  | { kind: 'bad'; error: PeergateError }

const envelopeSchema = z.looseObject({ type: z.string(), id: z.unknown().optional() })
const idSchema = clientFrameSchema.options[0].shape.id

/** A frame of JSON. */
export function decodeFrame(text: string): Decoded {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return { kind: 'bad', error: new InvalidJson('A frame is one JSON object in a text frame.') }
  }
  return parseFrame(json)
}

/** A frame that was decoded to plain values. */
export function parseFrame(value: unknown): Decoded {
  const envelope = envelopeSchema.safeParse(value)
  if (!envelope.success) return notAFrame('A frame is an object with a "type".')
  const id = idSchema.safeParse(envelope.data.id).data
  if (!Object.hasOwn(frameActions, envelope.data.type)) {
    const known = Object.keys(frameActions).join(', ')
    return { kind: 'refused', id, error: new UnknownFrameType(`There is no frame of this type; there are ${known}.`) }
  }
  const frame = clientFrameSchema.safeParse(value)
  if (frame.success) return { kind: 'frame', frame: frame.data }
  return { kind: 'refused', id, error: invalidInput('The frame is not valid', frame.error.issues) }
}

export function notAFrame(detail: string): Decoded {
  return { kind: 'bad', error: new InvalidFrame(detail) }
}
