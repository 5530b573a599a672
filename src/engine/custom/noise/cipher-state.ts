import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto'

/**
 * One key of ChaCha20-Poly1305 and the number of the next message under it (Noise Protocol Framework, revision 34, §5.1 and §12.3):
 * messages are decrypted in the order they were encrypted in, each once.
 */
export interface CipherState {
  /** Answers the ciphertext, `tagBytes` longer. @throws Error when all numbers are used up, or the ciphertext would be too long */
  encrypt(plaintext: Uint8Array, associatedData?: Uint8Array): Buffer
  /** @throws DecryptionFailed when this is not the next message of the other end */
  decrypt(ciphertext: Uint8Array, associatedData?: Uint8Array): Buffer
  /** Takes the next key (§11.3); both ends do so between the same two messages. */
  rekey(): void
}

/** Not what the other end encrypted, or not in its turn. */
export class DecryptionFailed extends Error {
  override readonly name = 'DecryptionFailed'
}

const algorithm = 'chacha20-poly1305'
export const keyBytes = 32
export const tagBytes = 16
/** The longest message, its tag among it (§3). */
export const maxMessageBytes = 65_535
const options = { authTagLength: tagBytes }
/** 2^64 − 1 is for taking the next key. */
const reservedNumber = 0xffff_ffff_ffff_ffffn

/** @param key 32 bytes @param firstNumber other than 0 in tests only */
export function createCipherState(key: Uint8Array, firstNumber = 0n): CipherState {
  return new ChaChaPoly(key, firstNumber)
}

class ChaChaPoly implements CipherState {
  // A key object is made once for all messages under it: a raw key would be made into one for each, at thrice the cost of a small message.
  #key: KeyObject
  #number: bigint
  readonly #nonce = Buffer.alloc(12)

  constructor(key: Uint8Array, firstNumber: bigint) {
    this.#key = createSecretKey(key)
    this.#number = firstNumber
  }

  encrypt(plaintext: Uint8Array, associatedData?: Uint8Array): Buffer {
    if (plaintext.length > maxMessageBytes - tagBytes) throw new Error('a message longer than any')
    const cipher = createCipheriv(algorithm, this.#key, this.#nextNonce(), options)
    this.#number++
    if (associatedData !== undefined) cipher.setAAD(associatedData, { plaintextLength: plaintext.length })
    const encrypted = cipher.update(plaintext)
    cipher.final()
    return Buffer.concat([encrypted, cipher.getAuthTag()])
  }

  decrypt(ciphertext: Uint8Array, associatedData?: Uint8Array): Buffer {
    const length = ciphertext.length - tagBytes
    if (length < 0) throw new DecryptionFailed('a message without its tag')
    if (ciphertext.length > maxMessageBytes) throw new DecryptionFailed('a message longer than any')
    const decipher = createDecipheriv(algorithm, this.#key, this.#nextNonce(), options)
    if (associatedData !== undefined) decipher.setAAD(associatedData, { plaintextLength: length })
    decipher.setAuthTag(ciphertext.subarray(length))
    const plaintext = decipher.update(ciphertext.subarray(0, length))
    try {
      decipher.final()
    } catch (cause) {
      throw new DecryptionFailed('a message that the other end did not encrypt, or not in this place', { cause })
    }
    this.#number++
    return plaintext
  }

  rekey(): void {
    const cipher = createCipheriv(algorithm, this.#key, this.#nonceOf(reservedNumber), options)
    this.#key = createSecretKey(cipher.update(Buffer.alloc(keyBytes)))
  }

  #nextNonce(): Buffer {
    if (this.#number === reservedNumber) throw new Error('a key has encrypted as much as it may')
    return this.#nonceOf(this.#number)
  }

  /** 32 zero bits, then the number, little endian (§12.3). */
  #nonceOf(number: bigint): Buffer {
    this.#nonce.writeBigUInt64LE(number, 4)
    return this.#nonce
  }
}
