import { encode } from 'cborg'
import { z } from 'zod'
import { decodeCbor } from '../../../lib/cbor.ts'
import { maxRetryAfterMs } from '../../dial/back-off.ts'
import { peerRecordSchema } from '../overlay/frames.ts'
import type { PeerRecord } from '../overlay/overlay.ts'
import { ProtocolViolation } from '../wire/frame-stream.ts'

export const maxGoodbyePeers = 8

/**
 * Why an end closes a link, or has none. Instead of a hello it says that there is to be no link; later, that there is no reason for one
 * any more. `refused` says nothing more. `full`: this node has as many links as it may, and here are others. `replaced`: another node with
 * the other end's key has a link with this one now; `duplicate`: has had one all the time.
 */
const goodbyeSchema = z.object({
  reason: z.string().max(32),
  /** Milliseconds in which another link will not be taken either. More than the longest pause is taken for it. */
  retryAfterMs: z
    .int()
    .min(0)
    .transform((ms) => Math.min(ms, maxRetryAfterMs)),
  peers: z.array(peerRecordSchema).max(maxGoodbyePeers).optional(),
})

export interface Goodbye {
  /** Others of later versions are treated as `refused`. */
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
    throw new ProtocolViolation('a goodbye that is none', { cause })
  }
}

/** The peer took no link. It has proved who it is. */
export class LinkRefused extends Error {
  override readonly name = 'LinkRefused'
  readonly peerId: string
  readonly goodbye: Goodbye

  constructor(peerId: string, goodbye: Goodbye) {
    const seconds = Math.ceil(goodbye.retryAfterMs / 1_000)
    super(`the peer refused the link (${/^[a-z]+$/.test(goodbye.reason) ? goodbye.reason : 'refused'}), and says to wait ${seconds} s`)
    this.peerId = peerId
    this.goodbye = goodbye
  }
}
