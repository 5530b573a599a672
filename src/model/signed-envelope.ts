import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { peerIdFromPublicKey } from '@libp2p/peer-id'
import { RecordEnvelope } from '@libp2p/peer-record'

/**
 * A payload that a peer has signed for one purpose (the domain), libp2p's signed envelope:
 * https://github.com/libp2p/specs/blob/master/RFC/0002-signed-envelopes.md. It has one spelling.
 */
export interface OpenEnvelope {
  /** Peer id of who signed. */
  signer: string
  payload: Uint8Array
  signature: Uint8Array
}

export interface EnvelopeKind {
  domain: string
  /** What the payload is, as bytes of the field `payload_type`. */
  payloadType: string
}

/** @param seed the 32 bytes of an Ed25519 private key */
export async function sealEnvelope(kind: EnvelopeKind, payload: Uint8Array, seed: Uint8Array): Promise<Uint8Array> {
  const key = await generateKeyPairFromSeed('Ed25519', seed)
  const { domain, payloadType } = kind
  const record = { domain, codec: Buffer.from(payloadType), marshal: () => payload, equals: () => false }
  return (await RecordEnvelope.seal(record, key)).marshal()
}

/** @throws Error when it is no envelope of this kind, has another spelling, or the signature is wrong */
export async function openEnvelope({ domain, payloadType }: EnvelopeKind, bytes: Uint8Array): Promise<OpenEnvelope> {
  const envelope = await RecordEnvelope.openAndCertify(bytes, domain)
  if (Buffer.compare(envelope.payloadType, Buffer.from(payloadType)) !== 0) throw new Error('an envelope of another kind')
  if (Buffer.compare(envelope.marshal(), bytes) !== 0) throw new Error('an envelope in another spelling')
  return { signer: peerIdFromPublicKey(envelope.publicKey).toString(), payload: envelope.payload, signature: envelope.signature }
}
