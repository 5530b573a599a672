import { encode } from 'cborg'
import { z } from 'zod'
import { bytes } from '../lib/bytes-schema.ts'
import { decodeCbor } from '../lib/cbor.ts'
import { directOverheadBytes } from '../model/direct-message.ts'

/**
 * `/peergate/direct/1.0.0`: a request is a CBOR array of envelopes (model/direct-message.ts) as byte strings. The
 * answer has a status byte for each, in order, and is sent once the accepted messages are on the recipient's disk.
 */
export const directProtocol = '/peergate/direct/1.0.0'

/** Envelopes of one request, and their total bytes. A single envelope may be larger. */
export const maxDirectBatch = 64
export const directBatchBytes = 262_144

const batchSchema = z.array(bytes()).max(maxDirectBatch)

export function encodeBatch(envelopes: Uint8Array[]): Uint8Array {
  return encode(envelopes)
}

/** @throws Error when the bytes are not a valid batch */
export function decodeBatch(bytes: Uint8Array): Uint8Array[] {
  return batchSchema.parse(decodeCbor(bytes))
}

/** Bytes of a request, at most. A message of the largest size is sent alone. */
export function maxRequestBytes(maxMessageBytes: number): number {
  return Math.max(maxMessageBytes + directOverheadBytes, directBatchBytes) + maxDirectBatch * 8
}
