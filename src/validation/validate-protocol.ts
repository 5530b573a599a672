import { encode } from 'cborg'
import { z } from 'zod'
import { decodeCbor } from '../lib/cbor.ts'
import type { Judgement } from '../model/validator.ts'
import { verdictSchema } from '../model/verdict.ts'

/**
 * `/peergate/validate/1.0.0`, between gateways of one database. A request is a message (model/signed-message-codec.ts)
 * for the validators of the receiving gateway. The answer is CBOR of {verdict, given}.
 */
export const validateProtocol = '/peergate/validate/1.0.0'

/** Bytes of an answer, at most. */
export const judgementBytes = 64

const judgementSchema = z.strictObject({ verdict: verdictSchema, given: z.boolean() })

export const encodeJudgement = (judgement: Judgement): Uint8Array => encode(judgement)

/** @throws Error when the bytes are not a valid answer */
export function decodeJudgement(raw: Uint8Array): Judgement {
  return judgementSchema.parse(decodeCbor(raw))
}
