import { isUtf8 } from 'node:buffer'
import { z } from 'zod'
import { InvalidData } from '../errors.ts'

export const encodingSchema = z.enum(['utf8', 'base64']).meta({
  id: 'Encoding',
  description: 'Encoding of the bytes in `data`: `utf8` for text, or `base64` for padded standard base64 (RFC 4648 §4).',
  example: 'utf8',
})
export type Encoding = z.infer<typeof encodingSchema>

/** Maximum characters of data in JSON: the largest configurable message (16 MiB) in base64. */
const maxDataLength = 22_369_624

/** Data in JSON, as clients send it. `maxMessageBytes` limits it further. */
export const dataSchema = z.string().max(maxDataLength)

/** Data with its encoding, as clients send it. */
export const payloadInputSchema = z
  .strictObject({ data: dataSchema, encoding: encodingSchema.optional().describe('Encoding of `data`. Default: `utf8`.') })
  .meta({ id: 'Payload', description: 'Data that a client sends.' })

/** Data with its encoding, as sent to clients. */
export const payloadSchema = z.object({ data: z.string(), encoding: encodingSchema })
export type Payload = z.infer<typeof payloadSchema>

const base64Shape = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/** @throws InvalidData when the text has a lone surrogate or is not canonical base64. */
export function decodePayload(data: string, encoding: Encoding = 'utf8'): Uint8Array {
  if (encoding === 'utf8') {
    if (!data.isWellFormed())
      throw new InvalidData('"data" has a lone surrogate, which UTF-8 cannot represent.', dataPath('is not well-formed Unicode'))
    return Buffer.from(data, 'utf8')
  }
  const bytes = Buffer.from(data, 'base64')
  if (!base64Shape.test(data) || bytes.toString('base64') !== data) {
    throw new InvalidData('"data" is not padded standard base64 (RFC 4648 §4).', dataPath('is not base64'))
  }
  return bytes
}

/** Encodes bytes for JSON: as `utf8` if they are valid UTF-8 and the reader did not ask for base64. */
export function encodePayload(bytes: Uint8Array, asked?: Encoding): Payload {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (asked !== 'base64' && isUtf8(buffer)) return { data: buffer.toString('utf8'), encoding: 'utf8' }
  return { data: buffer.toString('base64'), encoding: 'base64' }
}

function dataPath(message: string) {
  return { errors: [{ path: '/data', message }] }
}
