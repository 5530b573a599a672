import { privateKeyFromRaw } from '@libp2p/crypto/keys'
import { ed25519PrivateKey, ed25519PublicBytes } from './ed25519.ts'

/**
 * A private key as libp2p has it, whose public half OpenSSL derives: libp2p would do so in JavaScript, with 3 MiB of
 * tables, in 25 ms the first time.
 * @param seed the 32 bytes of an Ed25519 private key
 */
export function libp2pKey(seed: Uint8Array): ReturnType<typeof privateKeyFromRaw> {
  return privateKeyFromRaw(Buffer.concat([seed, ed25519PublicBytes(ed25519PrivateKey(seed))]))
}
