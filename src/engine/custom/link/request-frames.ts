import { z } from 'zod'
import { decodeCbor } from '../../../lib/cbor.ts'
import { ProtocolViolation } from '../wire/frame-stream.ts'

/**
 * The frames of requests: CBOR (RFC 8949) for the heads, and a number (4 bytes, big endian) in front of each piece of a
 * body.
 */

const requestSchema = z.object({ id: z.int().min(0).max(0xffff_ffff), protocol: z.string().max(200), length: z.int().min(0) })

const answerSchema = z.union([
  z.object({ id: z.int().min(0).max(0xffff_ffff), length: z.int().min(0) }),
  z.object({ id: z.int().min(0).max(0xffff_ffff), refused: z.enum(['unsupported', 'failed']) }),
])

/** Announces a request and the length of its body in bytes. */
export type RequestHead = z.infer<typeof requestSchema>

/** Announces an answer and the length of its body in bytes, or refuses the request. */
export type AnswerHead = z.infer<typeof answerSchema>

/** @throws ProtocolViolation */
export function decodeRequest(bytes: Uint8Array): RequestHead {
  return parse(requestSchema, bytes)
}

/** @throws ProtocolViolation */
export function decodeAnswer(bytes: Uint8Array): AnswerHead {
  return parse(answerSchema, bytes)
}

/** A frame that begins with the number of a request, and the rest of it. */
export interface Numbered {
  id: number
  rest: Buffer
}

/** @throws ProtocolViolation when the number is missing */
export function numbered(bytes: Buffer): Numbered {
  if (bytes.length < 4) throw new ProtocolViolation('a frame of a request without its number')
  return { id: bytes.readUInt32BE(), rest: bytes.subarray(4) }
}

export function idBytes(id: number): Buffer {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeUInt32BE(id)
  return bytes
}

function parse<Shape>(schema: z.ZodType<Shape>, bytes: Uint8Array): Shape {
  try {
    return schema.parse(decodeCbor(bytes, { rejectDuplicateMapKeys: true }))
  } catch (cause) {
    throw new ProtocolViolation('not a valid frame of a request', { cause })
  }
}
