import { z } from 'zod'
import { payloadSchema } from './payload.ts'
import { multiaddrSchema, peerIdSchema } from './peer.ts'
import { nameSchema } from './text.ts'

export const dhtKeySchema = nameSchema(1_024).min(1).meta({
  id: 'DhtKey',
  format: 'dht-key',
  description:
    'A DHT key: `/peergate/imm/<sha256>` with the hash of the value in lower-case hexadecimal; `/peergate/own/<peer id>/<name>` for a value signed by that peer; with libp2p also `/ipns/<name>` and `/pk/<peer id>`.',
  example: '/peergate/imm/9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
})

/** A DHT value, as clients see it. */
export const dhtValueSchema = z
  .object({
    key: dhtKeySchema,
    ...payloadSchema.shape,
    owner: peerIdSchema
      .nullable()
      .describe('Peer that signed the value; null for a value under its hash, and where `data` is the record itself.'),
    sequence: z
      .string()
      .nullable()
      .describe("The owner's sequence number of the value, in decimal; the highest one wins.")
      .meta({ example: '1795444444000000001' }),
    issuedAt: z.iso.datetime().nullable().describe('Time of signing, as claimed by the owner.'),
    record: z.string().nullable().describe('Record signed by the owner, a libp2p signed envelope, in base64.'),
  })
  .meta({ id: 'DhtValue' })
export type DhtValue = z.infer<typeof dhtValueSchema>

/** A peer found in the DHT. */
export const foundPeerSchema = z
  .object({
    peerId: peerIdSchema,
    multiaddrs: z.array(multiaddrSchema).describe('Addresses of the peer, as claimed by other peers. A dial proves the identity.'),
  })
  .meta({ id: 'FoundPeer' })
export type FoundPeerView = z.infer<typeof foundPeerSchema>
