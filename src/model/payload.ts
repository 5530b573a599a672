import { isUtf8 } from 'node:buffer'
import { z } from 'zod'
import { InvalidData } from '../errors.ts'

export const encodingSchema = z.enum(['utf8', 'base64']).meta({
  id: 'Encoding',
  description: 'How `data` stands for bytes: as the text itself, or as padded standard base64 (RFC 4648 §4).',
  example: 'utf8',
})
export type Encoding = z.infer<typeof encodingSchema>

/** Characters of data in JSON at most: a message of the largest size that can be configured (16 MiB), in base64. */
const maxDataLength = 22_369_624

/** Data in JSON, as clients send it. What a gateway takes is decided by `maxMessageBytes`. */
export const dataSchema = z.string().max(maxDataLength)

/** Data as it stands in JSON. */
export const payloadSchema = z.object({ data: z.string(), encoding: encodingSchema })
export type Payload = z.infer<typeof payloadSchema>

const base64Shape = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/** @throws InvalidData when the text has a lone surrogate or is not canonical base64. */
export function decodePayload(data: string, encoding: Encoding = 'utf8'): Uint8Array {
  if (encoding === 'utf8') {
    if (!data.isWellFormed())
      throw new InvalidData('"data" has a lone surrogate, which no bytes of UTF-8 stand for.', dataPath('is not well-formed Unicode'))
    return Buffer.from(data, 'utf8')
  }
  const bytes = Buffer.from(data, 'base64')
  if (!base64Shape.test(data) || bytes.toString('base64') !== data) {
    throw new InvalidData('"data" is not padded standard base64 (RFC 4648 §4).', dataPath('is not base64'))
  }
  return bytes
}

/** Bytes as they stand in JSON: as `utf8` exactly when they are valid UTF-8, unless the reader asks for base64. */
export function encodePayload(bytes: Uint8Array, asked?: Encoding): Payload {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (asked !== 'base64' && isUtf8(buffer)) return { data: buffer.toString('utf8'), encoding: 'utf8' }
  return { data: buffer.toString('base64'), encoding: 'base64' }
}

function dataPath(message: string) {
  return { errors: [{ path: 'data', message }] }
}
