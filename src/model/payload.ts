import { isUtf8 } from 'node:buffer'
import { z } from 'zod'
import { InvalidData } from '../errors.ts'
import { JsonText } from '../lib/json-text.ts'
import { isJsonText } from './json-scan.ts'
import { jsonProblem } from './json-value.ts'

export const encodingSchema = z.enum(['utf8', 'base64', 'json']).meta({
  id: 'Encoding',
  description:
    'Encoding of the bytes in `data`: `utf8` for text, `base64` for padded standard base64 (RFC 4648 §4), or `json` for any JSON value, ' +
    'whose bytes are its text.',
  example: 'utf8',
})
export type Encoding = z.infer<typeof encodingSchema>

/** The encoding in which a client wants data. */
export const wantedEncodingSchema = encodingSchema
  .optional()
  .describe(
    'Encoding of all data: `base64`, or `json` for data that is JSON text. Other data, and all without it, is `utf8` if it is valid UTF-8, ' +
      'otherwise `base64`.',
  )

/** Maximum characters of data as a string: the largest configurable message (16 MiB) in base64. */
const maxDataLength = 22_369_624

/** Data in JSON, as clients send it. `decodePayload` checks it, and `maxMessageBytes` limits it further. */
export const dataSchema = z
  .unknown()
  .meta({ maxLength: maxDataLength, description: 'A string; any JSON value if `encoding` is `json`. It is stored as compact JSON text.' })

/** Data with its encoding, as clients send it. */
export const payloadInputSchema = z
  .strictObject({ data: dataSchema, encoding: encodingSchema.optional().describe('Encoding of `data`. Default: `utf8`.') })
  .meta({ id: 'Payload', description: 'Data that a client sends.' })

export type PayloadInput = z.infer<typeof payloadInputSchema>

/** Data with its encoding, as sent to clients. */
export const payloadSchema = z.object({
  data: z.unknown().describe('A string; if `encoding` is `json`, a JSON value.'),
  encoding: encodingSchema,
})

/** A `payloadSchema` that `stringifyJson` writes. */
export interface Payload {
  data: string | JsonText
  encoding: Encoding
}

const base64Shape = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/** @throws InvalidData when the data does not have the encoding */
export function decodePayload(data: unknown, encoding: Encoding = 'utf8'): Uint8Array {
  if (encoding === 'json') return Buffer.from(data instanceof JsonText ? data.text : compactJson(data), 'utf8')
  if (typeof data !== 'string')
    throw invalid(`"data" must be a string if its encoding is ${encoding}.`, 'must be a string, or have the encoding json')
  if (encoding === 'utf8') {
    if (!data.isWellFormed()) throw invalid('"data" has a lone surrogate, which UTF-8 cannot represent.', 'is not well-formed Unicode')
    return Buffer.from(data, 'utf8')
  }
  const bytes = Buffer.from(data, 'base64')
  if (!base64Shape.test(data) || bytes.toString('base64') !== data)
    throw invalid('"data" is not padded standard base64 (RFC 4648 §4).', 'is not base64')
  return bytes
}

function compactJson(value: unknown): string {
  const problem = jsonProblem(value)
  if (problem !== undefined) throw invalid(`"data" ${problem}.`, problem)
  return JSON.stringify(value)
}

function invalid(detail: string, message: string): InvalidData {
  return new InvalidData(detail, { errors: [{ path: '/data', message }] })
}

/**
 * Encodes bytes for JSON: as the reader asked if the bytes allow it, otherwise as `utf8` if they are valid UTF-8. JSON
 * text is embedded as it is.
 */
export function encodePayload(bytes: Uint8Array, asked?: Encoding): Payload {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (asked === 'base64' || !isUtf8(buffer)) return { data: buffer.toString('base64'), encoding: 'base64' }
  const text = buffer.toString('utf8')
  if (asked === 'json' && isJsonText(text)) return { data: new JsonText(text), encoding: 'json' }
  return { data: text, encoding: 'utf8' }
}
