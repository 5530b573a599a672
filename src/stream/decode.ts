import { InvalidFrame, InvalidJson, type PeergateError, UnknownFrameType } from '../errors.ts'
import { inputParser } from '../model/validation.ts'
import { type ClientFrame, clientFrameSchema, type FrameId, frameActions } from './client-frames.ts'

/** `bad` is from a client that does not speak this protocol, `refused` from one that asked for something wrong. */
export type Decoded =
  | { kind: 'frame'; frame: ClientFrame }
  | { kind: 'refused'; id: FrameId | undefined; error: PeergateError }
  | { kind: 'bad'; error: PeergateError }

const parse = inputParser(clientFrameSchema)
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
  const type = typeOf(value)
  if (type === undefined) return notAFrame('A frame is an object with a "type".')
  const id = idOf(value)
  if (!Object.hasOwn(frameActions, type)) {
    const known = Object.keys(frameActions).join(', ')
    return { kind: 'refused', id, error: new UnknownFrameType(`There is no frame of this type; there are ${known}.`) }
  }
  const parsed = parse(value, 'The frame is not valid')
  return parsed.error === undefined ? { kind: 'frame', frame: parsed.value } : { kind: 'refused', id, error: parsed.error }
}

function typeOf(value: unknown): string | undefined {
  const type: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, 'type') : undefined
  return typeof type === 'string' ? type : undefined
}

/** What an answer names, where it is one. */
function idOf(value: unknown): FrameId | undefined {
  const id: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, 'id') : undefined
  return idSchema.safeParse(id).data
}

export function notAFrame(detail: string): Decoded {
  return { kind: 'bad', error: new InvalidFrame(detail) }
}
