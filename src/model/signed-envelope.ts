import { peerIdFromPublicKey } from '@libp2p/peer-id'
import { RecordEnvelope } from '@libp2p/peer-record'
import { libp2pKey } from '../lib/libp2p-key.ts'

/**
 * A libp2p signed envelope: a payload that a peer has signed for one purpose (the domain).
 * https://github.com/libp2p/specs/blob/master/RFC/0002-signed-envelopes.md. Only the canonical encoding is valid.
 */
export interface OpenEnvelope {
  /** Peer id of the signer. */
  signer: string
  payload: Uint8Array
  signature: Uint8Array
}

export interface EnvelopeKind {
  domain: string
  /** Type of the payload, the field `payload_type`. */
  payloadType: string
}

/** @param seed the 32 bytes of an Ed25519 private key */
export async function sealEnvelope(kind: EnvelopeKind, payload: Uint8Array, seed: Uint8Array): Promise<Uint8Array> {
  const { domain, payloadType } = kind
  const record = { domain, codec: Buffer.from(payloadType), marshal: () => payload, equals: () => false }
  return (await RecordEnvelope.seal(record, libp2pKey(seed))).marshal()
}

/** @throws Error when the bytes are not a canonical envelope of this kind, or the signature is wrong */
export async function openEnvelope({ domain, payloadType }: EnvelopeKind, bytes: Uint8Array): Promise<OpenEnvelope> {
  const envelope = await RecordEnvelope.openAndCertify(bytes, domain)
  if (Buffer.compare(envelope.payloadType, Buffer.from(payloadType)) !== 0) throw new Error('the envelope is of another kind')
  if (Buffer.compare(envelope.marshal(), bytes) !== 0) throw new Error('the envelope is not in canonical encoding')
  return { signer: peerIdFromPublicKey(envelope.publicKey).toString(), payload: envelope.payload, signature: envelope.signature }
}
