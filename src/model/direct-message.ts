import { encode } from 'cborg'
import { z } from 'zod'
import { bytes } from '../lib/bytes-schema.ts'
import { decodeCbor } from '../lib/cbor.ts'
import { openEnvelope, sealEnvelope } from './signed-envelope.ts'
import { messageId } from './signed-message.ts'

/**
 * A message from one peer to another, as a libp2p signed envelope (domain `peergate-direct`) whose payload is CBOR of
 * {sequence, to, data}. Its id has the form of a topic message's: the author and its sequence number.
 */
export interface DirectMessage {
  id: string
  /** Peer id of the author. */
  from: string
  /** Peer id of the recipient. */
  to: string
  /** The author's sequence number: 8 bytes, big endian, unsigned. */
  sequence: Uint8Array
  data: Uint8Array
  signature: Uint8Array
}

/** Maximum bytes of an envelope beside the data: key, domain, signature, ids. */
export const directOverheadBytes = 512

const kind = { domain: 'peergate-direct', payloadType: '/peergate/direct/1' }
const sequenceLength = 8

const payloadSchema = z.strictObject({
  sequence: bytes({ min: sequenceLength, max: sequenceLength }),
  to: z.string().min(1).max(128),
  data: bytes(),
})

/** @param seed the 32 bytes of the author's Ed25519 private key */
export async function sealDirect(message: Pick<DirectMessage, 'to' | 'sequence' | 'data'>, seed: Uint8Array): Promise<Uint8Array> {
  const { to, sequence, data } = message
  return await sealEnvelope(kind, encode({ sequence, to, data }), seed)
}

/** @throws Error when the bytes are not a direct message, or its signature is wrong */
export async function openDirect(bytes: Uint8Array): Promise<DirectMessage> {
  const { signer, payload, signature } = await openEnvelope(kind, bytes)
  const { to, sequence, data } = payloadSchema.parse(decodeCbor(payload, { rejectDuplicateMapKeys: true }))
  return { id: messageId(signer, sequence), from: signer, to, sequence, data, signature }
}
