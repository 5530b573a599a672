import { encode } from 'cborg'
import { z } from 'zod'
import { decodeCbor } from '../../../lib/cbor.ts'

/** Requests by which nodes help each other to be reached (docs/custom-protocol.md). */
export const relayProtocol = '/peergate/relay/1.0.0'
export const dialBackProtocol = '/peergate/dial-back/1.0.0'

/** Addresses of one dial-back. */
export const maxDialBackAddresses = 8

/** What the asking end wants to have tried. */
export const dialBackRequest = codec(z.strictObject({ multiaddrs: z.array(z.string().max(512)).min(1).max(maxDialBackAddresses) }))

/** What came of those that were tried; others the answering end would not try. */
export const dialBackAnswer = codec(
  z.object({ results: z.array(z.object({ multiaddr: z.string().max(512), reached: z.boolean() })).max(maxDialBackAddresses) }),
)

/** How much a circuit may carry in each direction, and for how long. */
export const reservationAnswer = codec(z.object({ maxBytes: z.int().min(0), maxMs: z.int().min(0) }))

interface Codec<Shape> {
  encode(value: Shape): Uint8Array
  /** @throws Error */
  decode(bytes: Uint8Array): Shape
}

function codec<Shape>(schema: z.ZodType<Shape>): Codec<Shape> {
  return { encode: (value) => encode(value), decode: (bytes) => schema.parse(decodeCbor(bytes, { rejectDuplicateMapKeys: true })) }
}
