import { encode } from 'cborg'
import { z } from 'zod'
import { decodeCbor } from '../lib/cbor.ts'
import { serviceSchema } from '../model/service.ts'
import { foreignTextSchema } from '../model/text.ts'

/**
 * `/peergate/request/1.0.0`: a request is CBOR of {service, data, timeoutMs}, the answer of {status, data} or {status, message}. Within its
 * time a request is answered; the asking end gives it up by cancelling it. A gateway that passes a request on to another one of its database
 * says `from` whom it has it.
 */
export const requestProtocol = '/peergate/request/1.0.0'

const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array)

const requestSchema = z.strictObject({
  service: serviceSchema,
  data: bytes,
  timeoutMs: z.int().min(1),
  from: z.string().max(128).optional(),
})
export type WireRequest = z.infer<typeof requestSchema>

/** Of a service's own words for an error; what is longer is cut. */
const maxMessageLength = 1_024

/** `error`: the service's own words; `not_found`: nobody serves it; `gone`: who served it went away; `busy`, `late`: as they say. */
const answerSchema = z.union([
  z.strictObject({ status: z.literal('ok'), data: bytes }),
  z.strictObject({ status: z.enum(['error', 'not_found', 'gone', 'busy', 'late']), message: foreignTextSchema(maxMessageLength) }),
])
export type WireAnswer = z.infer<typeof answerSchema>

/** Of a request or an answer beside its data. */
export const requestOverheadBytes = 1_024

export const encodeRequest = (request: WireRequest): Uint8Array => encode(request, { ignoreUndefinedProperties: true })
export const encodeAnswer = (answer: WireAnswer): Uint8Array => encode(answer)

/** @throws Error when it is none */
export function decodeRequest(raw: Uint8Array): WireRequest {
  return requestSchema.parse(decodeCbor(raw, { rejectDuplicateMapKeys: true }))
}

/** @throws Error when it is none */
export function decodeAnswer(raw: Uint8Array): WireAnswer {
  return answerSchema.parse(decodeCbor(raw, { rejectDuplicateMapKeys: true }))
}
