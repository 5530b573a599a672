import { createHash, createHmac } from 'node:crypto'
import { type AeadOf, type CipherState, createCipherState } from './cipher-state.ts'

/** The transcript and the keys that both ends have agreed on so far (Noise §5.2), with SHA-256. */
export interface SymmetricState {
  /** Hash of the transcript. */
  readonly hash: Buffer
  mixHash(data: Uint8Array): void
  mixKey(secret: Uint8Array): void
  /** Returns the plaintext itself before the first key. */
  encryptAndHash(plaintext: Uint8Array): Buffer
  /** @throws DecryptionFailed */
  decryptAndHash(ciphertext: Uint8Array): Buffer
  /** The keys of the two directions: for the initiator's messages, and for the responder's. */
  split(): { initiator: CipherState; responder: CipherState }
}

/** @param aeadOf other than the default in tests only */
export function createSymmetricState(protocolName: string, aeadOf?: AeadOf): SymmetricState {
  // A name of up to 32 bytes is used unhashed.
  const name = Buffer.from(protocolName)
  let hash = name.length <= 32 ? Buffer.concat([name, Buffer.alloc(32 - name.length)]) : sha256(name)
  let chainingKey = hash
  let cipher: CipherState | undefined

  function mixHash(data: Uint8Array): void {
    hash = sha256(hash, data)
  }

  return {
    get hash() {
      return hash
    },
    mixHash,
    mixKey(secret) {
      const [next, key] = hkdf(chainingKey, secret)
      chainingKey = next
      cipher = createCipherState(key, { aeadOf })
    },
    encryptAndHash(plaintext) {
      const ciphertext = cipher?.encrypt(plaintext, hash) ?? Buffer.from(plaintext)
      mixHash(ciphertext)
      return ciphertext
    },
    decryptAndHash(ciphertext) {
      const plaintext = cipher?.decrypt(ciphertext, hash) ?? Buffer.from(ciphertext)
      mixHash(ciphertext)
      return plaintext
    },
    split() {
      const [first, second] = hkdf(chainingKey, Buffer.alloc(0))
      return { initiator: createCipherState(first, { aeadOf }), responder: createCipherState(second, { aeadOf }) }
    },
  }
}

function sha256(...parts: Uint8Array[]): Buffer {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}

/** The first two outputs of HKDF (Noise §4.3). */
function hkdf(chainingKey: Uint8Array, input: Uint8Array): [Buffer, Buffer] {
  const key = hmac(chainingKey, input)
  const first = hmac(key, Buffer.of(1))
  return [first, hmac(key, first, Buffer.of(2))]
}

function hmac(key: Uint8Array, ...parts: Uint8Array[]): Buffer {
  const hash = createHmac('sha256', key)
  for (const part of parts) hash.update(part)
  return hash.digest()
}
