import { createRequire } from 'node:module'

/**
 * Functions of libsodium, through N-API. They check no length: a caller gives buffers of the sizes stated here, in
 * bytes.
 */
export interface Sodium {
  /** @param publicKey 32, written @param secretKey 64, written @param seed 32 */
  crypto_sign_seed_keypair(publicKey: Uint8Array, secretKey: Uint8Array, seed: Uint8Array): void
  /** @param signature 64, written @param secretKey 64 */
  crypto_sign_detached(signature: Uint8Array, message: Uint8Array, secretKey: Uint8Array): void
  /** Each argument as its memory, its offset there, and its length: 64 of the signature, 32 of the key. */
  crypto_sign_verify_detached(
    signature: ArrayBufferLike,
    signatureOffset: number,
    signatureLength: number,
    message: ArrayBufferLike,
    messageOffset: number,
    messageLength: number,
    key: ArrayBufferLike,
    keyOffset: number,
    keyLength: number,
  ): boolean
  /** @param ciphertext 16 more than the message, written @param nonce 12 @param key 32 */
  crypto_aead_chacha20poly1305_ietf_encrypt(
    ciphertext: Uint8Array,
    message: Uint8Array,
    associatedData: Uint8Array | undefined,
    nonce: Uint8Array,
    key: Uint8Array,
  ): void
  /**
   * @param message 16 less than the ciphertext, written
   * @returns the length of the message; −1 when the ciphertext is not authentic
   */
  crypto_aead_chacha20poly1305_ietf_decrypt(
    message: Uint8Array,
    ciphertext: Uint8Array,
    associatedData: Uint8Array | undefined,
    nonce: Uint8Array,
    key: Uint8Array,
  ): number
}

/** Undefined where the optional package is not installed, or has nothing for this platform. */
export const sodium = loadSodium(`${process.platform}-${process.arch}`)

/**
 * Loads the native part alone. The package's own modules, which check arguments and look for that part in more places,
 * take 30 ms and 5 MiB more at each start.
 * @param target platform and processor, as Node.js names them
 */
export function loadSodium(target: string): Sodium | undefined {
  try {
    return createRequire(import.meta.url)(`sodium-native/prebuilds/${target}/sodium-native.node`)
  } catch {
    return undefined
  }
}
