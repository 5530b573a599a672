import { encode } from 'cborg'
import { z } from 'zod'
import { bytes } from '../../../lib/bytes-schema.ts'
import { decodeCbor } from '../../../lib/cbor.ts'
import { maxRecordBytes } from '../../../model/dht-record.ts'

/**
 * Requests and answers of DHT nodes, carried by requests on links (docs/custom-protocol.md). CBOR; the schemas bound
 * their sizes.
 */

const place = bytes({ min: 32, max: 32 })
const multiaddrs = z.array(z.string().max(256)).max(8)
const contactSchema = z.object({ peerId: z.string().min(1).max(64), multiaddrs })
export type Contact = z.infer<typeof contactSchema>

export const requestSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('find-node'), place }),
  z.strictObject({ type: z.literal('get-value'), key: z.string().max(1_024) }),
  z.strictObject({
    type: z.literal('put-value'),
    key: z.string().max(1_024),
    record: bytes({ max: maxRecordBytes }),
    /** Milliseconds since the record was first put, or was put again by its owner. */
    ageMs: z.int().min(0),
  }),
  z.strictObject({ type: z.literal('get-providers'), place }),
  z.strictObject({ type: z.literal('add-provider'), place, multiaddrs }),
])
export type DhtRequest = z.infer<typeof requestSchema>

const closer = z.array(contactSchema).max(20)
export const answerSchema = z.object({
  closer: closer.optional(),
  record: bytes({ max: maxRecordBytes }).optional(),
  ageMs: z.int().min(0).optional(),
  providers: z.array(contactSchema).max(20).optional(),
  refused: z.enum(['invalid', 'outdated', 'full']).optional(),
})
export type DhtAnswer = z.infer<typeof answerSchema>

export function encodeFrame(frame: DhtRequest | DhtAnswer): Uint8Array {
  return encode(frame, { ignoreUndefinedProperties: true })
}

/** @throws Error */
export function decodeRequest(frame: Uint8Array): DhtRequest {
  return requestSchema.parse(decodeCbor(frame, { rejectDuplicateMapKeys: true }))
}

/** @throws Error */
export function decodeAnswer(frame: Uint8Array): DhtAnswer {
  return answerSchema.parse(decodeCbor(frame, { rejectDuplicateMapKeys: true }))
}
