import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto'

/**
 * A ChaCha20-Poly1305 key and the number of the next message under it (Noise Protocol Framework, revision 34, §5.1 and
 * §12.3). Messages are decrypted once, in the order of their encryption.
 */
export interface CipherState {
  /**
   * Returns the ciphertext, which is `tagBytes` longer.
   * @throws Error when all numbers are used up, or the ciphertext would be too long
   */
  encrypt(plaintext: Uint8Array, associatedData?: Uint8Array): Buffer
  /** @throws DecryptionFailed when this is not the next message of the other end */
  decrypt(ciphertext: Uint8Array, associatedData?: Uint8Array): Buffer
  /** Takes the next key (§11.3); both ends do so between the same two messages. */
  rekey(): void
}

/** The ciphertext is not the next message of the other end. */
export class DecryptionFailed extends Error {
  override readonly name = 'DecryptionFailed'
}

const algorithm = 'chacha20-poly1305'
export const keyBytes = 32
export const tagBytes = 16
/** Maximum bytes of a message, the tag included (§3). */
export const maxMessageBytes = 65_535
const options = { authTagLength: tagBytes }
/** 2^64 − 1 is reserved for the next key (§11.3). */
const reservedNumber = 0xffff_ffff_ffff_ffffn

/** @param key 32 bytes @param firstNumber other than 0 in tests only */
export function createCipherState(key: Uint8Array, firstNumber = 0n): CipherState {
  return new ChaChaPoly(key, firstNumber)
}

class ChaChaPoly implements CipherState {
  // One key object for all messages. A raw key would become a new key object per message, at three times the cost of a
  // small message.
  #key: KeyObject
  #number: bigint
  readonly #nonce = Buffer.alloc(12)

  constructor(key: Uint8Array, firstNumber: bigint) {
    this.#key = createSecretKey(key)
    this.#number = firstNumber
  }

  encrypt(plaintext: Uint8Array, associatedData?: Uint8Array): Buffer {
    if (plaintext.length > maxMessageBytes - tagBytes) throw new Error('the message is longer than 65,535 bytes')
    const cipher = createCipheriv(algorithm, this.#key, this.#nextNonce(), options)
    this.#number++
    if (associatedData !== undefined) cipher.setAAD(associatedData, { plaintextLength: plaintext.length })
    const encrypted = cipher.update(plaintext)
    cipher.final()
    return Buffer.concat([encrypted, cipher.getAuthTag()])
  }

  decrypt(ciphertext: Uint8Array, associatedData?: Uint8Array): Buffer {
    const length = ciphertext.length - tagBytes
    if (length < 0) throw new DecryptionFailed('the message has no tag')
    if (ciphertext.length > maxMessageBytes) throw new DecryptionFailed('the message is longer than 65,535 bytes')
    const decipher = createDecipheriv(algorithm, this.#key, this.#nextNonce(), options)
    if (associatedData !== undefined) decipher.setAAD(associatedData, { plaintextLength: length })
    decipher.setAuthTag(ciphertext.subarray(length))
    const plaintext = decipher.update(ciphertext.subarray(0, length))
    try {
      decipher.final()
    } catch (cause) {
      throw new DecryptionFailed('the message is not the next one that the other end encrypted', { cause })
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
