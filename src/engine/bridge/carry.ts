import { randomBytes } from 'node:crypto'
import { encode } from 'cborg'
import { z } from 'zod'
import { bytes } from '../../lib/bytes-schema.ts'
import { decodeCbor } from '../../lib/cbor.ts'

/** Bridges that a request goes through, at most. */
export const maxBridgesOnWay = 8
const searchIdBytes = 8

const peerId = z.string().min(1).max(128)
const routeSchema = z
  .array(peerId)
  .max(maxBridgesOnWay - 1)
  .refine((route) => new Set(route).size === route.length)

/** How far bridges look for something: the id of the search, and the bridges that may be asked after the next one. */
export const searchSchema = z.strictObject({
  id: bytes({ min: searchIdBytes, max: searchIdBytes }),
  hops: z
    .int()
    .min(1)
    .max(maxBridgesOnWay - 1),
})
export type Search = z.infer<typeof searchSchema>

/**
 * `/peergate/bridge/1.0.0`: a request is CBOR of {to, envelope, timeoutMs}, an answer CBOR of {status} and, when the
 * recipient has answered, its envelope. `no_link`: the recipient is not linked to the bridge in a network that the
 * asker is not linked in. `unsupported`: it takes nothing from bridges. `busy`: too much is being carried, in all or to
 * it. `unanswered`: it has not answered. With `route`, the request goes to the bridges that it names, in turn, and from
 * the last to the recipient. With `search`, a bridge without such a link asks the bridges linked to it (searching.ts),
 * and the answer has the `route` from this bridge on.
 */
const carrySchema = z.strictObject({
  to: peerId,
  envelope: bytes(),
  timeoutMs: z.int().min(1),
  route: routeSchema.optional(),
  search: searchSchema.optional(),
})
export type Carry = z.infer<typeof carrySchema>

const carriedSchema = z.union([
  z.strictObject({ status: z.literal('answered'), envelope: bytes(), route: routeSchema.optional() }),
  z.strictObject({ status: z.enum(['no_link', 'unsupported', 'busy', 'unanswered']) }),
])
export type Carried = z.infer<typeof carriedSchema>

/** A search of its own. */
export const newSearch = (): Search => ({ id: randomBytes(searchIdBytes), hops: maxBridgesOnWay - 1 })

export const encodeCarry = (carry: Carry): Uint8Array => encode(carry)
/** @throws Error when the bytes are not a request to a bridge */
export const decodeCarry = (raw: Uint8Array): Carry => carrySchema.parse(decodeCbor(raw))
export const encodeCarried = (carried: Carried): Uint8Array => encode(carried)
/** @throws Error when the bytes are not an answer of a bridge */
export const decodeCarried = (raw: Uint8Array): Carried => carriedSchema.parse(decodeCbor(raw))
