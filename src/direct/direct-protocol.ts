import { encode } from 'cborg'
import { z } from 'zod'
import { decodeCbor } from '../lib/cbor.ts'
import { directOverheadBytes } from '../model/direct-message.ts'

/**
 * `/peergate/direct/1.0.0`: a request brings envelopes (model/direct-message.ts) as a CBOR array of byte strings; the answer has a byte for
 * each, in their order, once those that are kept are on the recipient's disk.
 */
export const directProtocol = '/peergate/direct/1.0.0'

/** Envelopes of one request, and their bytes together unless it is one alone. */
export const maxDirectBatch = 64
export const directBatchBytes = 262_144

const batchSchema = z.array(z.custom<Uint8Array>((value) => value instanceof Uint8Array)).max(maxDirectBatch)

export function encodeBatch(envelopes: Uint8Array[]): Uint8Array {
  return encode(envelopes)
}

/** @throws Error when it is none */
export function decodeBatch(bytes: Uint8Array): Uint8Array[] {
  return batchSchema.parse(decodeCbor(bytes))
}

/** Of a request, as a message of the largest size is sent alone. */
export function maxRequestBytes(maxMessageBytes: number): number {
  return Math.max(maxMessageBytes + directOverheadBytes, directBatchBytes) + maxDirectBatch * 8
}
