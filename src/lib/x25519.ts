import { createPrivateKey, createPublicKey, diffieHellman, generateKeyPairSync, type KeyObject } from 'node:crypto'

/** A key pair of X25519 (RFC 7748). */
export interface KeyPair {
  readonly privateKey: KeyObject
  /** 32 bytes. */
  readonly publicKey: Buffer
}

export const publicKeyBytes = 32

// RFC 8410: the fixed DER prefixes of an X25519 private and public key.
const pkcs8Prefix = Buffer.from('302e020100300506032b656e04220420', 'hex')
const spkiPrefix = Buffer.from('302a300506032b656e032100', 'hex')

export function generateKeyPair(): KeyPair {
  const { privateKey, publicKey } = generateKeyPairSync('x25519')
  return { privateKey, publicKey: rawPublicKey(publicKey) }
}

/** @param raw the 32 bytes of a private key */
export function keyPairOf(raw: Uint8Array): KeyPair {
  const privateKey = createPrivateKey({ key: Buffer.concat([pkcs8Prefix, raw]), format: 'der', type: 'pkcs8' })
  return { privateKey, publicKey: rawPublicKey(createPublicKey(privateKey)) }
}

/**
 * The shared secret of two keys.
 * @param publicKey 32 bytes of the other end
 * @throws Error when it is a point of small order, whose secret is public
 */
export function sharedSecret({ privateKey }: KeyPair, publicKey: Uint8Array): Buffer {
  const other = createPublicKey({ key: Buffer.concat([spkiPrefix, publicKey]), format: 'der', type: 'spki' })
  const secret = derive(privateKey, other)
  if (secret === undefined || secret.every((byte) => byte === 0)) throw new Error('a public key of small order')
  return secret
}

/** OpenSSL throws its own error for a point of small order. */
function derive(privateKey: KeyObject, publicKey: KeyObject): Buffer | undefined {
  try {
    return diffieHellman({ privateKey, publicKey })
  } catch {
    return undefined
  }
}

function rawPublicKey(key: KeyObject): Buffer {
  return key.export({ format: 'der', type: 'spki' }).subarray(spkiPrefix.length)
}
