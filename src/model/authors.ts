import { createPublicKey, type KeyObject, verify as verifySignature } from 'node:crypto'
import { publicKeyFromProtobuf, publicKeyToProtobuf } from '@libp2p/crypto/keys'
import { peerIdFromMultihash } from '@libp2p/peer-id'
import * as Digest from 'multiformats/hashes/digest'
import { ed25519PublicKey, peerIdBytes, type SignedMessage, signedBytes } from './signed-message.ts'

type PeerId = ReturnType<typeof peerIdFromMultihash>
type PublicKey = ReturnType<typeof publicKeyFromProtobuf>

/** Those who sign messages. What it takes to know one, and to verify its signatures, is kept for its next message. */
export interface Authors {
  /**
   * @param from the multihash of the author's peer id
   * @param key the author's public key as libp2p's protobuf, if the message has it: without it a peer id that is a hash says nothing
   * @returns undefined when `from` is no peer id, or the key is not its own, or none is known
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
  /** Whether the author signed exactly these bytes. Worked out beside the event loop; a signature of the wrong form is a wrong one. */
  verify(bytes: Uint8Array, signature: Uint8Array): Promise<boolean>
}

/**
 * Whether the author signed exactly this message, as `verifyMessage` says it, worked out beside the event loop; false for anything that can't
 * be checked.
 */
export async function verifyBeside(authors: Authors, message: SignedMessage): Promise<boolean> {
  const { from, sequence, data, publicKey } = message
  if (sequence.length !== 8 || (message.dataAbsent === true && data.length > 0)) return false
  try {
    const name = peerIdBytes(from)
    const author = authors.find(name, publicKey)
    // A peer id has several spellings, and a message but one id; so has a key, whose others have room for more.
    if (author === undefined || author.peerId !== from) return false
    if (publicKey !== undefined && Buffer.compare(publicKeyToProtobuf(author.publicKey), publicKey) !== 0) return false
    return await author.verify(signedBytes(message, name), message.signature)
  } catch {
    return false
  }
}

/** Authors that are remembered, 1 to 3 KiB each; the one that was not heard of for the longest is forgotten first. */
const maxAuthors = 1_000

interface Known extends Author {
  /** The protobuf of its key that was compared last. */
  key: Uint8Array
}

export function createAuthors(): Authors {
  const known = new Map<string, Known>()

  function remember(name: string, author: Known): void {
    known.delete(name)
    known.set(name, author)
    const [oldest] = known.keys()
    if (known.size > maxAuthors && oldest !== undefined) known.delete(oldest)
  }

  return {
    find(from, key) {
      const name = Buffer.from(from.buffer, from.byteOffset, from.length).toString('latin1')
      const author = known.get(name) ?? authorFrom(from, key)
      if (author === undefined || !isKeyOf(author, key)) return undefined
      remember(name, author)
      return author
    },
  }
}

function authorFrom(from: Uint8Array, key: Uint8Array | undefined): Known | undefined {
  try {
    // Copied, or the frame that it came in would live as long.
    const id = peerIdFromMultihash(Digest.decode(Uint8Array.from(from)))
    const inlined = id.publicKey
    const publicKey = inlined ?? (key === undefined ? undefined : publicKeyFromProtobuf(Uint8Array.from(key)))
    // A peer id has one spelling: signed under another, the message could not be verified by whoever reads it from our log.
    if (publicKey === undefined || !id.equals(publicKey.toMultihash().bytes)) return undefined
    return {
      id,
      peerId: id.toString(),
      publicKey,
      isInlined: inlined !== undefined,
      key: publicKeyToProtobuf(publicKey),
      verify: verifierOf(publicKey),
    }
  } catch {
    return undefined
  }
}

/** Whether a message of the author may come with this key, or without any. */
function isKeyOf(author: Known, key: Uint8Array | undefined): boolean {
  if (key === undefined) return author.isInlined
  if (Buffer.compare(key, author.key) === 0) return true
  try {
    // Others spell the same key otherwise.
    if (!author.id.equals(publicKeyFromProtobuf(key).toMultihash().bytes)) return false
  } catch {
    return false
  }
  author.key = Uint8Array.from(key)
  return true
}

type Verify = Author['verify']

/** libp2p's own keys verify on the event loop, and import the key of Node's or WebCrypto's form each time. */
function verifierOf(publicKey: PublicKey): Verify {
  switch (publicKey.type) {
    case 'Ed25519':
      return verifier(null, () => ed25519PublicKey(publicKey.raw))
    case 'RSA':
      return verifier('sha256', () => createPublicKey({ key: Buffer.from(publicKey.raw), format: 'der', type: 'spki' }))
    case 'secp256k1': {
      const verify = verifier('sha256', () => secp256k1PublicKey(publicKey.raw))
      return async (bytes, signature) => hasLowS(signature) && (await verify(bytes, signature))
    }
    default:
      // Beside the event loop as it is.
      return async (bytes, signature) => {
        try {
          return await publicKey.verify(bytes, signature)
        } catch {
          return false
        }
      }
  }
}

function verifier(hash: string | null, importKey: () => KeyObject): Verify {
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

/** Whether the second number of a signature in DER is the smaller of its two possible values: js-libp2p takes no other. */
function hasLowS(signature: Uint8Array): boolean {
  const s = Buffer.from(signature).subarray(6 + (signature[3] ?? 0))
  return s.length > 0 && s.length <= 33 && BigInt(`0x${s.toString('hex')}`) <= halfOrder
}
