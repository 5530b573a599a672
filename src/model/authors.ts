import { createPublicKey, type KeyObject, verify as verifySignature } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { publicKeyFromProtobuf, publicKeyToProtobuf } from '@libp2p/crypto/keys'
import { peerIdFromMultihash } from '@libp2p/peer-id'
import * as Digest from 'multiformats/hashes/digest'
import { BoundedMap } from '../lib/bounded-map.ts'
import { ed25519, isDisputed, pooledVerifier } from '../lib/ed25519.ts'
import { createTurnBudget } from '../lib/turn-budget.ts'
import { peerIdBytes, type SignedMessage, signedBytes } from './signed-message.ts'

type PeerId = ReturnType<typeof peerIdFromMultihash>
type PublicKey = ReturnType<typeof publicKeyFromProtobuf>

/** A cache of authors: the parsed peer id and public key of each, for verifying its next messages. */
export interface Authors {
  /**
   * @param from the multihash of the author's peer id
   * @param key the author's public key as libp2p's protobuf, if the message contains it; needed if the peer id is a
   * hash
   * @returns undefined when `from` is not a peer id, the key does not match it, or no key is known
   */
  find(from: Uint8Array, key?: Uint8Array): Author | undefined
}

export interface Author {
  readonly id: PeerId
  /** `id` as text. */
  readonly peerId: string
  readonly publicKey: PublicKey
  /** Whether the peer id contains the key. */
  readonly isInlined: boolean
  /**
   * Whether the author signed exactly these bytes. Takes a few milliseconds of a turn of the event loop at most for
   * all calls together, and runs off it otherwise. A malformed signature is a wrong one.
   */
  verify(bytes: Uint8Array, signature: Uint8Array): Promise<boolean>
  /**
   * Whether other implementations may take a signature that `verify` refuses. The peer that forwards it is then no
   * forger.
   */
  isDisputed(signature: Uint8Array): boolean
}

/**
 * `verifyMessage`, but many together run off the event loop: whether the author signed exactly this message; false if it
 * can't be verified.
 */
export async function verifyBeside(authors: Authors, message: SignedMessage): Promise<boolean> {
  const { from, sequence, data, publicKey } = message
  if (sequence.length !== 8 || (message.dataAbsent === true && data.length > 0)) return false
  try {
    const name = peerIdBytes(from)
    const author = authors.find(name, publicKey)
    // Only the canonical encoding of the peer id is valid: others would give a message several ids.
    if (author === undefined || author.peerId !== from) return false
    if (!isCanonicalKey(author, publicKey)) return false
    return await author.verify(signedBytes(message, name), message.signature)
  } catch {
    return false
  }
}

/** Whether a key that was sent with a message is the one encoding of its author's. Other encodings have room for other bytes. */
export function isCanonicalKey(author: Author, key: Uint8Array | undefined): boolean {
  return key === undefined || Buffer.compare(publicKeyToProtobuf(author.publicKey), key) === 0
}

/** Maximum cached authors, 1 to 3 KiB each. The least recently used is evicted first. */
const maxAuthors = 1_000

interface Known extends Author {
  /** The last encoding of the key that was accepted. */
  key: Uint8Array
}

export function createAuthors(): Authors {
  const known = new BoundedMap<string, Known>({ max: maxAuthors })

  return {
    find(from, key) {
      const name = Buffer.from(from.buffer, from.byteOffset, from.length).toString('latin1')
      const author = known.get(name) ?? authorFrom(from, key)
      if (author === undefined || !isKeyOf(author, key)) return undefined
      known.set(name, author)
      return author
    },
  }
}

function authorFrom(from: Uint8Array, key: Uint8Array | undefined): Known | undefined {
  try {
    // A copy, so that the frame it came in can be freed.
    const id = peerIdFromMultihash(Digest.decode(Uint8Array.from(from)))
    const inlined = id.publicKey
    const publicKey = inlined ?? (key === undefined ? undefined : publicKeyFromProtobuf(Uint8Array.from(key)))
    // Only the canonical peer id: readers of our log could not verify a message signed under another encoding.
    if (publicKey === undefined || !id.equals(publicKey.toMultihash().bytes)) return undefined
    return {
      id,
      peerId: id.toString(),
      publicKey,
      isInlined: inlined !== undefined,
      key: publicKeyToProtobuf(publicKey),
      verify: verifierOf(publicKey),
      isDisputed: (signature) => publicKey.type === 'Ed25519' && isDisputed(publicKey.raw, signature),
    }
  } catch {
    return undefined
  }
}

/** Whether a message of the author can carry this key, or none. */
function isKeyOf(author: Known, key: Uint8Array | undefined): boolean {
  if (key === undefined) return author.isInlined
  if (Buffer.compare(key, author.key) === 0) return true
  try {
    // Other implementations may encode the same key differently.
    if (!author.id.equals(publicKeyFromProtobuf(key).toMultihash().bytes)) return false
  } catch {
    return false
  }
  author.key = Uint8Array.from(key)
  return true
}

type Verify = Author['verify']

/** libp2p's keys verify on the event loop with the slower library, and import the key for each signature. */
function verifierOf(publicKey: PublicKey): Verify {
  switch (publicKey.type) {
    case 'Ed25519':
      return ed25519Verifier(publicKey.raw)
    case 'RSA':
      return verifier('sha256', () => createPublicKey({ key: Buffer.from(publicKey.raw), format: 'der', type: 'spki' }))
    case 'secp256k1': {
      const verify = verifier('sha256', () => secp256k1PublicKey(publicKey.raw))
      return async (bytes, signature) => hasLowS(signature) && (await verify(bytes, signature))
    }
    default:
      // Other keys already verify off the event loop.
      return async (bytes, signature) => {
        try {
          return await publicKey.verify(bytes, signature)
        } catch {
          return false
        }
      }
  }
}

/**
 * Verifications on the event loop in one turn of it, 0.8 or 3.2 ms. In a page of a peer's log, and under a burst, the
 * others are left to other processors, which takes the loop a quarter of the time, and all of them a quarter more. So
 * fewer are left where there are no others to speak of.
 */
const maxVerificationsPerTurn = availableParallelism() > 2 ? 16 : 64
const turnBudget = createTurnBudget(maxVerificationsPerTurn)

/**
 * libsodium verifies on the event loop: 50 µs, of which the way to another thread and back would take 10, and then cost
 * that thread 100, since node:crypto alone verifies there.
 */
function ed25519Verifier(raw: Uint8Array): Verify {
  const pooled = pooledVerifier(raw)
  if (ed25519.library === 'node:crypto') return pooled
  const verify = ed25519.verifier(raw)
  return async (bytes, signature) => (turnBudget.take() ? verify(bytes, signature) : await pooled(bytes, signature))
}

function verifier(hash: string, importKey: () => KeyObject): Verify {
  let key: KeyObject | undefined
  return (bytes, signature) => {
    const { promise, resolve } = Promise.withResolvers<boolean>()
    try {
      key ??= importKey()
      verifySignature(hash, bytes, key, signature, (error, intact) => resolve(error === null && intact))
    } catch {
      resolve(false)
    }
    return promise
  }
}

// RFC 5480 §2: the fixed DER prefix of a compressed point on secp256k1 (SEC 2 §A.2.1).
const secp256k1Prefix = Buffer.from('3036301006072a8648ce3d020106052b8104000a032200', 'hex')

function secp256k1PublicKey(raw: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.concat([secp256k1Prefix, raw]), format: 'der', type: 'spki' })
}

/** Half of the order of secp256k1's group (SEC 2 §2.4.1). */
const halfOrder = BigInt('0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0')

/** Whether `s` of a DER signature is the smaller of its two possible values, the only one that js-libp2p accepts. */
function hasLowS(signature: Uint8Array): boolean {
  const s = Buffer.from(signature).subarray(6 + (signature[3] ?? 0))
  return s.length > 0 && s.length <= 33 && BigInt(`0x${s.toString('hex')}`) <= halfOrder
}
