import { encode } from 'cborg'
import { z } from 'zod'
import { decodeCbor } from '../../../lib/cbor.ts'
import { maxRetryAfterMs } from '../../dial/back-off.ts'
import { peerRecordSchema } from '../overlay/frames.ts'
import type { PeerRecord } from '../overlay/overlay.ts'
import { ProtocolViolation } from '../wire/frame-stream.ts'

export const maxGoodbyePeers = 8

/**
 * Why an end refuses or closes a link. Sent instead of a hello it refuses the link; sent later it closes it. `refused`
 * gives no details. `full`: this node has reached its limit of links, and names other peers. `replaced`: another node
 * with the other end's key has just linked to this one. `duplicate`: another node with that key has been linked all
 * along.
 */
const goodbyeSchema = z.object({
  reason: z.string().max(32),
  /**
   * Milliseconds in which further links are refused too. A longer time than the longest pause counts as the longest
   * pause.
   */
  retryAfterMs: z
    .int()
    .min(0)
    .transform((ms) => Math.min(ms, maxRetryAfterMs)),
  peers: z.array(peerRecordSchema).max(maxGoodbyePeers).optional(),
})

export interface Goodbye {
  /** An unknown reason, of a later version, is treated as `refused`. */
  reason: string
  retryAfterMs: number
  peers?: PeerRecord[] | undefined
}

export function encodeGoodbye(goodbye: Goodbye): Uint8Array {
  return encode(goodbye, { ignoreUndefinedProperties: true })
}

/** @throws ProtocolViolation */
export function decodeGoodbye(bytes: Uint8Array): Goodbye {
  try {
    return goodbyeSchema.parse(decodeCbor(bytes, { rejectDuplicateMapKeys: true }))
  } catch (cause) {
    throw new ProtocolViolation('not a valid goodbye', { cause })
  }
}

/** The peer refused the link, after it had proved its identity. */
export class LinkRefused extends Error {
  override readonly name = 'LinkRefused'
  readonly peerId: string
  readonly goodbye: Goodbye

  constructor(peerId: string, goodbye: Goodbye) {
    const seconds = Math.ceil(goodbye.retryAfterMs / 1_000)
    super(`the peer refused the link (${/^[a-z]+$/.test(goodbye.reason) ? goodbye.reason : 'refused'}); retry after ${seconds} s`)
    this.peerId = peerId
    this.goodbye = goodbye
  }
}
