import { encode } from 'cborg'
import { z } from 'zod'
import { decodeCbor } from '../../../lib/cbor.ts'
import { foreignTextSchema } from '../../../model/text.ts'
import { ProtocolViolation } from '../wire/frame-stream.ts'

/** The versions of the protocol that are spoken here, the best first. */
export const protocolVersions = [1] as const

/** In UTF-16 units; what is longer is cut. */
const maxAgentLength = 200

/** What a peer says of itself, first thing on a link and again when something of it changes. Unknown fields are for later versions. */
const helloSchema = z.object({
  /** All that it speaks, so that nobody in between can have two peers speak an older one than they could. */
  versions: z.array(z.int().positive()).min(1).max(16),
  /** Made anew at each start: tells a second link of a peer from a peer that comes back. */
  instance: z.string().min(1).max(64),
  agent: foreignTextSchema(maxAgentLength),
  multiaddrs: z.array(z.string().max(512)).max(16),
  protocols: z.array(z.string().max(200)).max(100),
  /** Where the other end seems to be, as `<ip>:<port>` of the socket. */
  observed: z.string().max(64),
  /** Of the end that dialled: how many links it had dialled before this one, so that both ends know which of two is the newer. */
  dial: z.int().nonnegative().optional(),
})

export type Hello = z.infer<typeof helloSchema>

export function encodeHello(hello: Hello): Uint8Array {
  return encode(hello)
}

/** @throws ProtocolViolation */
export function decodeHello(bytes: Uint8Array): Hello {
  try {
    return helloSchema.parse(decodeCbor(bytes, { rejectDuplicateMapKeys: true }))
  } catch (cause) {
    throw new ProtocolViolation('a hello that is none', { cause })
  }
}
