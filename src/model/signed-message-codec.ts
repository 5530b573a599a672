import { encode } from 'cborg'
import { z } from 'zod'
import { bytes } from '../lib/bytes-schema.ts'
import { decodeCbor } from '../lib/cbor.ts'
import type { SignedMessage } from './signed-message.ts'
import { topicSchema } from './topic.ts'

/** The CBOR encoding of topic messages between gateways: a map of the fields of `SignedMessage`. */

/** Bytes of a sequence number. */
const sequenceLength = 8
/** Bytes for an RSA key of 8,192 bits, the largest that libp2p accepts. */
const maxSignatureBytes = 1_024
const maxKeyBytes = 1_100

export const signedMessageSchema = z
  .strictObject({
    from: z.string().min(1).max(128),
    sequence: bytes({ min: sequenceLength, max: sequenceLength }),
    topic: topicSchema,
    data: bytes(),
    dataAbsent: z.literal(true).optional(),
    signature: bytes({ max: maxSignatureBytes }),
    publicKey: bytes({ max: maxKeyBytes }).optional(),
  })
  .transform(
    ({ dataAbsent, publicKey, ...message }): SignedMessage => ({
      ...message,
      ...(dataAbsent === undefined ? {} : { dataAbsent }),
      ...(publicKey === undefined ? {} : { publicKey }),
    }),
  )

/** Maximum bytes of a message beside its data. */
export const signedOverheadBytes = 3_072

/** The signed fields, the signature and the key, without any other properties. */
export function signedFields({ from, sequence, topic, data, dataAbsent, signature, publicKey }: SignedMessage): SignedMessage {
  return { from, sequence, topic, data, signature, ...(dataAbsent === true && { dataAbsent }), ...(publicKey && { publicKey }) }
}

export const encodeSigned = (message: SignedMessage): Uint8Array => encode(signedFields(message))

/** @throws Error when the bytes are not an encoded message */
export function decodeSigned(raw: Uint8Array): SignedMessage {
  return signedMessageSchema.parse(decodeCbor(raw))
}
