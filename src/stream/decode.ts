import { InvalidFrame, InvalidJson, type PeergateError, toPeergateError, UnknownFrameType } from '../errors.ts'
import { jsonShape } from '../lib/json-shape.ts'
import { inputParser } from '../model/validation.ts'
import { type ClientFrame, clientFrameSchema, type FrameId, frameRules } from './client-frames.ts'

/** `bad`: the client does not speak this protocol. `refused`: the frame's type or content is not valid. */
export type Decoded =
  | { kind: 'frame'; frame: ClientFrame }
  | { kind: 'refused'; id: FrameId | undefined; error: PeergateError }
  | { kind: 'bad'; error: PeergateError }

const parse = inputParser(clientFrameSchema)
const idSchema = clientFrameSchema.options[0].shape.id

/** Decodes a JSON frame. @param pay charges for the members of its objects before they are parsed; may throw RateLimited */
export function decodeFrame(text: string, pay: (members: number) => void): Decoded {
  const { isTooDeep, members } = jsonShape(text)
  if (isTooDeep) return { kind: 'bad', error: new InvalidJson('The frame is nested too deeply.') }
  try {
    if (members > 0) pay(members)
  } catch (error) {
    return { kind: 'refused', id: undefined, error: toPeergateError(error) }
  }
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return { kind: 'bad', error: new InvalidJson('A frame must be one JSON object in a text message.') }
  }
  return parseFrame(json)
}

/** Validates a frame that was decoded to plain values. */
export function parseFrame(value: unknown): Decoded {
  const type = typeOf(value)
  if (type === undefined) return notAFrame('A frame must be an object with a "type".')
  if (!Object.hasOwn(frameRules, type)) {
    const known = Object.keys(frameRules).join(', ')
    return { kind: 'refused', id: idOf(value), error: new UnknownFrameType(`Unknown frame type. Known types: ${known}.`) }
  }
  const parsed = parse(value, 'The frame is not valid')
  return parsed.error === undefined ? { kind: 'frame', frame: parsed.value } : { kind: 'refused', id: idOf(value), error: parsed.error }
}

function typeOf(value: unknown): string | undefined {
  const type: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, 'type') : undefined
  return typeof type === 'string' ? type : undefined
}

/** The frame's `id`, if it is valid. */
function idOf(value: unknown): FrameId | undefined {
  const id: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, 'id') : undefined
  return idSchema.safeParse(id).data
}

export function notAFrame(detail: string): Decoded {
  return { kind: 'bad', error: new InvalidFrame(detail) }
}
