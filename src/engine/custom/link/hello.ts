import { encode } from 'cborg'
import { z } from 'zod'
import { decodeCbor } from '../../../lib/cbor.ts'
import { foreignTextSchema } from '../../../model/text.ts'
import { ProtocolViolation } from '../wire/frame-stream.ts'

/** The protocol versions that this node speaks, the best first. */
export const protocolVersions = [1] as const

/** In UTF-16 units; a longer text is truncated. */
const maxAgentLength = 200
/** Addresses of a hello, and UTF-16 units of each. */
const maxAddresses = 16
const maxAddressLength = 512

/**
 * What a peer tells about itself: in the first frame of a link, and again when it changes. Unknown fields belong to
 * later versions.
 */
const helloSchema = z.object({
  /** All versions that the peer speaks, so that a party in between can't downgrade two peers to an older one. */
  versions: z.array(z.int().positive()).min(1).max(16),
  /** Random, renewed at each start: distinguishes a second link of a running peer from a restarted peer. */
  instance: z.string().min(1).max(64),
  agent: foreignTextSchema(maxAgentLength),
  multiaddrs: z.array(z.string().max(maxAddressLength)).max(maxAddresses),
  protocols: z.array(z.string().max(200)).max(100),
  /** The observed address of the other end, as `<ip>:<port>` of the socket. */
  observed: z.string().max(64),
  /**
   * The dialling end's number for this link, which rises with each dial, so that both ends know which of two links is
   * newer.
   */
  dial: z.int().nonnegative().optional(),
})

export type Hello = z.infer<typeof helloSchema>

/**
 * The addresses of this node that fit into a hello, which every peer would refuse otherwise: those at which peers reach it
 * from outside, some of which are made of what a relay tells, and as many of the listening ones as there is room for.
 */
export function helloAddresses(listened: readonly string[], outside: readonly string[]): string[] {
  const fits = ({ length }: string) => length <= maxAddressLength
  const last = outside.filter(fits).slice(0, maxAddresses)
  return [...listened.filter(fits).slice(0, maxAddresses - last.length), ...last]
}

export function encodeHello(hello: Hello): Uint8Array {
  return encode(hello)
}

/** @throws ProtocolViolation, also when there is no common version */
export function decodeHello(bytes: Uint8Array): Hello {
  const hello = parse(bytes)
  const isCommon = hello.versions.some((version) => protocolVersions.some((own) => own === version))
  if (!isCommon) throw new ProtocolViolation('no common protocol version')
  return hello
}

function parse(bytes: Uint8Array): Hello {
  try {
    return helloSchema.parse(decodeCbor(bytes, { rejectDuplicateMapKeys: true }))
  } catch (cause) {
    throw new ProtocolViolation('not a valid hello', { cause })
  }
}
