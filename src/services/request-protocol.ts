import { encode } from 'cborg'
import { z } from 'zod'
import { bytes } from '../lib/bytes-schema.ts'
import { decodeCbor } from '../lib/cbor.ts'
import { serviceSchema } from '../model/service.ts'
import { foreignTextSchema } from '../model/text.ts'

/**
 * `/peergate/request/1.0.0`: a request is CBOR of {service, data, timeoutMs}, an answer CBOR of {status, data} or
 * {status, message}. A request is answered within its timeout. The requesting end cancels it by cancelling the stream.
 * A gateway that forwards a request to another gateway of its database gives the origin in `from`.
 */
export const requestProtocol = '/peergate/request/1.0.0'

const requestSchema = z.strictObject({
  service: serviceSchema,
  data: bytes(),
  timeoutMs: z.int().min(1),
  from: z.string().max(128).optional(),
})
export type WireRequest = z.infer<typeof requestSchema>

/** Characters of a service's error message. Longer messages are truncated. */
const maxMessageLength = 1_024

/**
 * `error`: the service's own message. `not_found`: no provider. `gone`: the provider disconnected. `busy`: the queue is
 * full. `late`: timeout.
 */
const answerSchema = z.union([
  z.strictObject({ status: z.literal('ok'), data: bytes() }),
  z.strictObject({ status: z.enum(['error', 'not_found', 'gone', 'busy', 'late']), message: foreignTextSchema(maxMessageLength) }),
])
export type WireAnswer = z.infer<typeof answerSchema>

/** Bytes of a request or an answer beside its data, at most. */
export const requestOverheadBytes = 1_024

export const encodeRequest = (request: WireRequest): Uint8Array => encode(request, { ignoreUndefinedProperties: true })
export const encodeAnswer = (answer: WireAnswer): Uint8Array => encode(answer)

/** @throws Error when the bytes are not a valid request */
export function decodeRequest(raw: Uint8Array): WireRequest {
  return requestSchema.parse(decodeCbor(raw, { rejectDuplicateMapKeys: true }))
}

/** @throws Error when the bytes are not a valid answer */
export function decodeAnswer(raw: Uint8Array): WireAnswer {
  return answerSchema.parse(decodeCbor(raw, { rejectDuplicateMapKeys: true }))
}
