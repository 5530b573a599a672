import { encode } from 'cborg'
import { z } from 'zod'
import { decodeCbor } from '../../../lib/cbor.ts'
import { maxSignalLength } from '../../webrtc/session-description.ts'

/** The protocols of relays, dial-backs and direct paths over TCP and UDP (docs/custom-protocol.md). */
export const relayProtocol = '/peergate/relay/1.0.0'
export const dialBackProtocol = '/peergate/dial-back/1.0.0'
export const directPathProtocol = '/peergate/direct-path/1.0.0'
export const webRtcProtocol = '/peergate/webrtc/1.0.0'

/** Maximum addresses of one dial-back. */
export const maxDialBackAddresses = 8

/** The addresses to try. */
export const dialBackRequest = codec(z.strictObject({ multiaddrs: z.array(z.string().max(512)).min(1).max(maxDialBackAddresses) }))

/** The results of the tried addresses. The answering end did not try the others. */
export const dialBackAnswer = codec(
  z.object({ results: z.array(z.object({ multiaddr: z.string().max(512), reached: z.boolean() })).max(maxDialBackAddresses) }),
)

/** The bounds of a circuit: bytes in each direction, and milliseconds. */
export const reservationAnswer = codec(z.object({ maxBytes: z.int().min(0), maxMs: z.int().min(0) }))

/** Maximum addresses that an end tells; a dialling policy may allow fewer. */
const maxCandidates = 16
/** Maximum bytes of the signals of one end. */
export const maxSignalsBytes = 10_000

/** What one end tells the other so that both send packets to each other: its session description and its candidates. */
export const signals = {
  ...codec(z.strictObject({ description: z.string().max(maxSignalLength), candidates: z.array(z.string().max(256)).max(maxCandidates) })),
  maxCandidates,
}

interface Codec<Shape> {
  encode(value: Shape): Uint8Array
  /** @throws Error */
  decode(bytes: Uint8Array): Shape
}

function codec<Shape>(schema: z.ZodType<Shape>): Codec<Shape> {
  return { encode: (value) => encode(value), decode: (bytes) => schema.parse(decodeCbor(bytes, { rejectDuplicateMapKeys: true })) }
}
