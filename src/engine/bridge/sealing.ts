import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto'
import { generateKeyPair, type KeyPair, sharedSecret } from '../../lib/x25519.ts'

/**
 * Keeps a request through a bridge, and its answer, from the bridge: X25519 of a new key of the asker with the key in
 * the recipient's ticket, HKDF-SHA256, ChaCha20-Poly1305. The two keys that come of it depend on both peer ids, so that
 * nobody can sign another peer's box as their own; each encrypts once.
 */
export interface Parties {
  from: string
  to: string
}

const algorithm = 'chacha20-poly1305'
const keyBytes = 32
const tagBytes = 16
const options = { authTagLength: tagBytes }
/** Each key encrypts one text, so it needs no number. */
const nonce = Buffer.alloc(12)

/** @param recipientKey the public key in the ticket @throws Error when it is no key */
export function sealRequest(
  text: Uint8Array,
  recipientKey: Uint8Array,
  parties: Parties,
): { key: Uint8Array; box: Uint8Array; openAnswer(box: Uint8Array): Uint8Array } {
  const own = generateKeyPair()
  const { request, answer } = keysOf(sharedSecret(own, recipientKey), own.publicKey, recipientKey, parties)
  return { key: own.publicKey, box: encrypt(request, text), openAnswer: (box) => decrypt(answer, box) }
}

/** @throws Error when the box was not sealed by `from` for this key */
export function openRequest(
  { key, box }: { key: Uint8Array; box: Uint8Array },
  own: KeyPair,
  parties: Parties,
): { text: Uint8Array; sealAnswer(text: Uint8Array): Uint8Array } {
  const { request, answer } = keysOf(sharedSecret(own, key), key, own.publicKey, parties)
  return { text: decrypt(request, box), sealAnswer: (text) => encrypt(answer, text) }
}

function keysOf(secret: Uint8Array, askerKey: Uint8Array, recipientKey: Uint8Array, { from, to }: Parties) {
  const salt = Buffer.concat([askerKey, recipientKey])
  const keys = Buffer.from(hkdfSync('sha256', secret, salt, `peergate-bridged ${from} ${to}`, 2 * keyBytes))
  return { request: keys.subarray(0, keyBytes), answer: keys.subarray(keyBytes) }
}

function encrypt(key: Uint8Array, text: Uint8Array): Uint8Array {
  const cipher = createCipheriv(algorithm, key, nonce, options)
  const encrypted = [cipher.update(text), cipher.final()]
  return Buffer.concat([...encrypted, cipher.getAuthTag()])
}

function decrypt(key: Uint8Array, box: Uint8Array): Uint8Array {
  if (box.length < tagBytes) throw new Error('the box has no tag')
  const decipher = createDecipheriv(algorithm, key, nonce, options)
  decipher.setAuthTag(box.subarray(-tagBytes))
  return Buffer.concat([decipher.update(box.subarray(0, -tagBytes)), decipher.final()])
}
