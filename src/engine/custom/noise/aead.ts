import { createCipheriv, createDecipheriv, createSecretKey } from 'node:crypto'
import { type Sodium, sodium } from '../../../lib/sodium.ts'

/** ChaCha20-Poly1305 (RFC 8439 §2.8) under one key. Nonces have 12 bytes. */
export interface Aead {
  /** Returns the ciphertext, followed by the tag. */
  seal(nonce: Uint8Array, plaintext: Uint8Array, associatedData?: Uint8Array): Buffer
  /**
   * Needs `tagBytes` bytes at least.
   * @param ciphertext with its tag
   * @returns the plaintext; undefined when it is not authentic
   */
  open(nonce: Uint8Array, ciphertext: Uint8Array, associatedData?: Uint8Array): Buffer | undefined
}

export const keyBytes = 32
export const tagBytes = 16

const algorithm = 'chacha20-poly1305'
const options = { authTagLength: tagBytes }

export function nodeAead(bytes: Uint8Array): Aead {
  // One key object for all messages. A raw key would become a new key object per message.
  const key = createSecretKey(bytes)
  return {
    seal(nonce, plaintext, associatedData) {
      const cipher = createCipheriv(algorithm, key, nonce, options)
      if (associatedData !== undefined) cipher.setAAD(associatedData, { plaintextLength: plaintext.length })
      const encrypted = cipher.update(plaintext)
      cipher.final()
      return Buffer.concat([encrypted, cipher.getAuthTag()])
    },
    open(nonce, ciphertext, associatedData) {
      const length = ciphertext.length - tagBytes
      const decipher = createDecipheriv(algorithm, key, nonce, options)
      if (associatedData !== undefined) decipher.setAAD(associatedData, { plaintextLength: length })
      decipher.setAuthTag(ciphertext.subarray(length))
      const plaintext = decipher.update(ciphertext.subarray(0, length))
      try {
        decipher.final()
      } catch {
        return undefined
      }
      return plaintext
    },
  }
}

export function sodiumAead(library: Sodium, bytes: Uint8Array): Aead {
  if (bytes.length !== keyBytes) throw new Error('a key of another length')
  const key = Uint8Array.from(bytes)
  return {
    seal(nonce, plaintext, associatedData) {
      const ciphertext = Buffer.allocUnsafe(plaintext.length + tagBytes)
      library.crypto_aead_chacha20poly1305_ietf_encrypt(ciphertext, plaintext, associatedData, nonce, key)
      return ciphertext
    },
    open(nonce, ciphertext, associatedData) {
      const plaintext = Buffer.allocUnsafeSlow(ciphertext.length - tagBytes)
      const length = library.crypto_aead_chacha20poly1305_ietf_decrypt(plaintext, ciphertext, associatedData, nonce, key)
      return length === plaintext.length ? plaintext : undefined
    },
  }
}

/**
 * Bytes up to which libsodium is faster: it makes no object for each message, which node:crypto does in 3 µs. On large
 * messages node:crypto catches up, and on processors other than x86 it has the faster cipher.
 */
const maxSmallBytes = 8_192

/** @param key 32 bytes */
export function createAead(key: Uint8Array): Aead {
  const large = nodeAead(key)
  if (sodium === undefined) return large
  const small = sodiumAead(sodium, key)
  return {
    seal: (nonce, plaintext, associatedData) => (plaintext.length > maxSmallBytes ? large : small).seal(nonce, plaintext, associatedData),
    open: (nonce, ciphertext, associatedData) =>
      (ciphertext.length > maxSmallBytes ? large : small).open(nonce, ciphertext, associatedData),
  }
}
