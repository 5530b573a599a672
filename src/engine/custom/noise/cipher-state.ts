import { type Aead, createAead, keyBytes, tagBytes } from './aead.ts'

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

export { tagBytes }
/** Maximum bytes of a message, the tag included (§3). */
export const maxMessageBytes = 65_535
/** 2^64 − 1 is reserved for the next key (§11.3). */
const reservedNumber = 0xffff_ffff_ffff_ffffn

/** Makes the cipher of a key. */
export type AeadOf = (key: Uint8Array) => Aead

/** @param key 32 bytes @param init other than the default in tests only */
export function createCipherState(key: Uint8Array, init: { aeadOf?: AeadOf | undefined; firstNumber?: bigint } = {}): CipherState {
  return new ChaChaPoly(key, init.aeadOf ?? createAead, init.firstNumber ?? 0n)
}

class ChaChaPoly implements CipherState {
  readonly #aeadOf: AeadOf
  #aead: Aead
  #number: bigint
  readonly #nonce = Buffer.alloc(12)

  constructor(key: Uint8Array, aeadOf: AeadOf, firstNumber: bigint) {
    this.#aeadOf = aeadOf
    this.#aead = aeadOf(key)
    this.#number = firstNumber
  }

  encrypt(plaintext: Uint8Array, associatedData?: Uint8Array): Buffer {
    if (plaintext.length > maxMessageBytes - tagBytes) throw new Error('the message is longer than 65,535 bytes')
    const ciphertext = this.#aead.seal(this.#nextNonce(), plaintext, associatedData)
    this.#number++
    return ciphertext
  }

  decrypt(ciphertext: Uint8Array, associatedData?: Uint8Array): Buffer {
    if (ciphertext.length < tagBytes) throw new DecryptionFailed('the message has no tag')
    if (ciphertext.length > maxMessageBytes) throw new DecryptionFailed('the message is longer than 65,535 bytes')
    const plaintext = this.#aead.open(this.#nextNonce(), ciphertext, associatedData)
    if (plaintext === undefined) throw new DecryptionFailed('the message is not the next one that the other end encrypted')
    this.#number++
    return plaintext
  }

  rekey(): void {
    this.#aead = this.#aeadOf(this.#aead.seal(this.#nonceOf(reservedNumber), Buffer.alloc(keyBytes)).subarray(0, keyBytes))
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
