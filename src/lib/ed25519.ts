import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { type Sodium, sodium } from './sodium.ts'

const keyBytes = 32

// RFC 8410: the fixed DER prefixes of an Ed25519 private and public key.
const pkcs8Prefix = Buffer.from('302e020100300506032b657004220420', 'hex')
const spkiPrefix = Buffer.from('302a300506032b6570032100', 'hex')

/** @param seed the 32 bytes of an Ed25519 private key (RFC 8032 §5.1.5) */
export function ed25519PrivateKey(seed: Uint8Array): KeyObject {
  if (seed.length !== keyBytes) throw new Error('an Ed25519 key of another length')
  return createPrivateKey({ key: Buffer.concat([pkcs8Prefix, seed]), format: 'der', type: 'pkcs8' })
}

/** @param raw the 32 bytes of an Ed25519 public key */
export function ed25519PublicKey(raw: Uint8Array): KeyObject {
  if (raw.length !== keyBytes) throw new Error('an Ed25519 key of another length')
  return createPublicKey({ key: Buffer.concat([spkiPrefix, raw]), format: 'der', type: 'spki' })
}

/** The 32 bytes of the public key of a private one. */
export function ed25519PublicBytes(privateKey: KeyObject): Buffer {
  return createPublicKey(privateKey).export({ format: 'der', type: 'spki' }).subarray(spkiPrefix.length)
}

/**
 * Ed25519 (RFC 8032). All implementations give the same verdict of every signature: gateways that disagreed would take
 * each other for forgers. It is that of §5.1.7 without the cofactor, as Go's and Rust's libp2p have it, for encodings as
 * §5.1.2 and §5.1.3 make them; and keys and points R of small order are refused, of which no honest signer makes any.
 */
export interface Ed25519 {
  readonly library: 'libsodium' | 'node:crypto'
  /**
   * @param seed the 32 bytes of a private key (§5.1.5)
   * @returns a function from bytes to their signature, 64 bytes
   */
  signer(seed: Uint8Array): (bytes: Uint8Array) => Buffer
  /** @param raw the 32 bytes of a public key @throws Error when it has another length */
  verifier(raw: Uint8Array): Ed25519Verifier
}

/** Whether the owner of a key signed exactly these bytes. A malformed signature is a wrong one. */
export type Ed25519Verifier = (bytes: Uint8Array, signature: Uint8Array) => boolean

const signatureBytes = 64

/** 110 µs for a verification, 35 for a signature. */
export const nodeEd25519: Ed25519 = {
  library: 'node:crypto',
  signer(seed) {
    const key = ed25519PrivateKey(seed)
    return (bytes) => sign(null, bytes, key)
  },
  verifier(raw) {
    const key = ed25519PublicKey(raw)
    return checked(raw, (bytes, signature) => verify(null, bytes, key, signature))
  },
}

/** 50 µs for a verification, 19 for a signature. */
export function sodiumEd25519(library: Sodium): Ed25519 {
  return {
    library: 'libsodium',
    signer(seed) {
      if (seed.length !== keyBytes) throw new Error('an Ed25519 key of another length')
      const secretKey = Buffer.alloc(64)
      library.crypto_sign_seed_keypair(Buffer.alloc(keyBytes), secretKey, seed)
      return (bytes) => {
        const signature = Buffer.alloc(signatureBytes)
        library.crypto_sign_detached(signature, bytes, secretKey)
        return signature
      }
    },
    verifier(raw) {
      if (raw.length !== keyBytes) throw new Error('an Ed25519 key of another length')
      const { buffer: key } = Uint8Array.from(raw)
      return checked(raw, ({ buffer, byteOffset, length }, signature) =>
        library.crypto_sign_verify_detached(
          signature.buffer,
          signature.byteOffset,
          signatureBytes,
          buffer,
          byteOffset,
          length,
          key,
          0,
          keyBytes,
        ),
      )
    },
  }
}

/** The same verdicts from libuv's threads, where node:crypto alone can verify. @param raw as of `verifier` */
export function pooledVerifier(raw: Uint8Array): (bytes: Uint8Array, signature: Uint8Array) => Promise<boolean> {
  if (hasSmallOrder(raw)) return async () => false
  const copy = Uint8Array.from(raw)
  let key: KeyObject | undefined
  return async (bytes, signature) => {
    if (!mayBeRight(signature)) return false
    key ??= ed25519PublicKey(copy)
    const { promise, resolve } = Promise.withResolvers<boolean>()
    verify(null, bytes, key, signature, (error, intact) => resolve(error === null && intact))
    return promise
  }
}

/** Adds the rules in which libraries differ, from version to version. */
function checked(raw: Uint8Array, verify: Ed25519Verifier): Ed25519Verifier {
  if (hasSmallOrder(raw)) return () => false
  return (bytes, signature) => mayBeRight(signature) && verify(bytes, signature)
}

function mayBeRight(signature: Uint8Array): boolean {
  return signature.length === signatureBytes && !hasSmallOrder(signature)
}

/** The y coordinates of the points of small order, little endian, without the sign of x: 0, 1 and −1 also as p and more. */
const smallOrders = [
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
].map((y) => Buffer.from(y, 'hex'))

const lastByte = keyBytes - 1

/**
 * Whether other implementations may take a signature that this one refuses: Go's and Rust's allow keys and R of small
 * order.
 */
export function isDisputed(raw: Uint8Array, signature: Uint8Array): boolean {
  return signature.length === signatureBytes && (hasSmallOrder(raw) || hasSmallOrder(signature))
}

/** Whether the first 32 bytes encode a point whose order divides the cofactor, 8. */
function hasSmallOrder(bytes: Uint8Array): boolean {
  const last = (bytes[lastByte] ?? 0) & 0x7f
  return smallOrders.some((y) => y[lastByte] === last && y.compare(bytes, 0, lastByte, 0, lastByte) === 0)
}

/** The faster one of those that this platform has. */
export const ed25519: Ed25519 = sodium === undefined ? nodeEd25519 : sodiumEd25519(sodium)
