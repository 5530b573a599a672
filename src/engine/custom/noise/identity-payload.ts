import { publicKeyFromRaw } from '@libp2p/crypto/keys'
import { peerIdFromPublicKey } from '@libp2p/peer-id'
import { ed25519, ed25519PrivateKey, ed25519PublicBytes } from '../../../lib/ed25519.ts'

/**
 * The owner of a static key: the payload of libp2p's handshake, a protobuf of an Ed25519 public key (field 1) and its
 * signature of the static key (field 2).
 * https://github.com/libp2p/specs/blob/master/noise/README.md#the-libp2p-handshake-payload
 */

const signaturePrefix = Buffer.from('noise-libp2p-static-key:')
const identityTag = 0x0a
const signatureTag = 0x12
/** libp2p's protobuf of a public key: type 1 (Ed25519), 32 bytes. */
const keyPrefix = Buffer.from('08011220', 'hex')
const keyLength = keyPrefix.length + 32
const signatureLength = 64

/** @param seed the 32 bytes of an Ed25519 private key @param staticKey 32 bytes of the X25519 public key */
export function encodeIdentity(seed: Uint8Array, staticKey: Uint8Array): Buffer {
  const raw = ed25519PublicBytes(ed25519PrivateKey(seed))
  const signature = ed25519.signer(seed)(Buffer.concat([signaturePrefix, staticKey]))
  return Buffer.concat([Buffer.of(identityTag, keyLength), keyPrefix, raw, Buffer.of(signatureTag, signatureLength), signature])
}

/**
 * Returns the peer id whose key has signed the static key. Ignores further fields, which are for extensions.
 * @throws Error when the payload is malformed, the key is not an Ed25519 key, or the signature is wrong
 */
export function verifyIdentity(payload: Uint8Array, staticKey: Uint8Array): string {
  const fields = readFields(Buffer.from(payload))
  const [key, signature] = [fields.get(identityTag), fields.get(signatureTag)]
  if (key?.length !== keyLength || !key.subarray(0, keyPrefix.length).equals(keyPrefix))
    throw new Error('an identity that is no Ed25519 key')
  const raw = key.subarray(keyPrefix.length)
  const signed = Buffer.concat([signaturePrefix, staticKey])
  if (signature?.length !== signatureLength || !ed25519.verifier(raw)(signed, signature)) {
    throw new Error('an identity that did not sign the static key')
  }
  return peerIdFromPublicKey(publicKeyFromRaw(raw)).toString()
}

/** The fields of a protobuf message by tag. Only length-delimited fields are allowed, and field numbers above 0. */
function readFields(bytes: Buffer): Map<number, Buffer> {
  const fields = new Map<number, Buffer>()
  for (let at = 0; at < bytes.length; ) {
    const tag = bytes[at++] ?? 0
    const [length, start] = readLength(bytes, at)
    if ((tag & 0x87) !== 0x02 || tag === 0x02 || start + length > bytes.length)
      throw new Error('an identity that is no protobuf of this kind')
    if (fields.has(tag)) throw new Error('an identity with a field twice')
    fields.set(tag, bytes.subarray(start, start + length))
    at = start + length
  }
  return fields
}

/** A varint of two bytes at most, and where it ends. @throws Error when it is longer */
function readLength(bytes: Buffer, at: number): [number, number] {
  const [low = 0, high = 0] = bytes.subarray(at, at + 2)
  if (low < 0x80) return [low, at + 1]
  if (high >= 0x80) throw new Error('an identity with a field of 16 KiB or more')
  return [(low & 0x7f) | (high << 7), at + 2]
}
