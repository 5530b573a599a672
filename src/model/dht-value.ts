import { z } from 'zod'
import { payloadSchema } from './payload.ts'
import { multiaddrSchema, peerIdSchema } from './peer.ts'
import { nameSchema } from './text.ts'

export const dhtKeySchema = nameSchema(1_024).min(1).meta({
  id: 'DhtKey',
  description:
    '`/peergate/imm/<sha256>`, the hash of the value in lower-case hexadecimal; `/peergate/own/<peer id>/<name>`, signed by that peer; with libp2p also `/ipns/<name>` and `/pk/<peer id>`.',
  example: '/peergate/imm/9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
})

/** A value of the DHT, as clients see it. */
export const dhtValueSchema = z
  .object({
    key: dhtKeySchema,
    ...payloadSchema.shape,
    owner: peerIdSchema.nullable().describe('Who has signed it; null for a value of its hash, and where the record itself is the data.'),
    sequence: z
      .string()
      .nullable()
      .describe("The owner's number of it, in decimal; of two the higher counts.")
      .meta({ example: '1795444444000000001' }),
    issuedAt: z.iso.datetime().nullable().describe('When its owner says that it was signed.'),
    record: z.string().nullable().describe('What the owner has signed, a libp2p signed envelope, in base64.'),
  })
  .meta({ id: 'DhtValue' })
export type DhtValue = z.infer<typeof dhtValueSchema>

/** A peer that was found in the DHT. */
export const foundPeerSchema = z
  .object({
    peerId: peerIdSchema,
    multiaddrs: z.array(multiaddrSchema).describe('Where others say that it is; who answers there is proven by the dial.'),
  })
  .meta({ id: 'FoundPeer' })
export type FoundPeerView = z.infer<typeof foundPeerSchema>
