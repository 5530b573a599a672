import { publicKeyFromProtobuf, publicKeyToProtobuf } from '@libp2p/crypto/keys'
import { peerIdFromPublicKey, peerIdFromString } from '@libp2p/peer-id'
import { ed25519 } from '../lib/ed25519.ts'
import { createLru } from '../lib/lru.ts'

/**
 * A topic message in libp2p pubsub's StrictSign format: the one format of both engines.
 * https://github.com/libp2p/specs/blob/master/pubsub/README.md#message-signing
 */
export interface SignedMessage {
  /** Peer id of the author, base58. */
  from: string
  /** The author's sequence number: 8 bytes, big endian, unsigned. */
  sequence: Uint8Array
  topic: string
  data: Uint8Array
  /** True when the message has no data field at all, which signs differently from an empty one. */
  dataAbsent?: boolean
  signature: Uint8Array
  /** The author's key as libp2p's protobuf; only where the peer id does not contain it. */
  publicKey?: Uint8Array
}

/** The fields that a signature covers. */
export type UnsignedMessage = Pick<SignedMessage, 'from' | 'sequence' | 'topic' | 'data' | 'dataAbsent'>

/** The public id: `<peer id>.<sequence in decimal>`. The wire id is the peer id's bytes followed by the 8 bytes. */
export function messageId(from: string, sequence: Uint8Array): string {
  return `${from}.${sequenceNumber(sequence)}`
}

/** Whether text of a peer can be an id: only such text may be taken apart. */
export const isMessageId = (text: string): boolean => /^[A-Za-z0-9]+\.(?:0|[1-9]\d{0,19})$/.test(text)

/** The author of a message, from its id. */
export function authorOf(id: string): string {
  return id.slice(0, id.lastIndexOf('.'))
}

/** The author's number of a message, from its id. */
export function sequenceOf(id: string): bigint {
  return BigInt(id.slice(id.lastIndexOf('.') + 1))
}

/**
 * js-libp2p draws 64 random bits for each message, which give no order. Three of four such numbers are from here on,
 * beyond every time and count: as nanoseconds since 1970 this is the year 2116.
 */
export const firstDrawn = 2n ** 62n

export function sequenceNumber(sequence: Uint8Array): bigint {
  return new DataView(sequence.buffer, sequence.byteOffset, sequence.byteLength).getBigUint64(0)
}

export function sequenceBytes(sequence: bigint): Uint8Array {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, sequence)
  return bytes
}

/** Decoding base58 takes 4 µs, and messages in a row have few authors. */
const maxPeerIds = 1_000
const decodePeerId = createLru({ max: maxPeerIds }, (peerId) => peerIdFromString(peerId).toMultihash().bytes)

/** The bytes of a peer id, as in the field `from`. Not to be changed. @throws Error when the text is no peer id */
export function peerIdBytes(peerId: string): Uint8Array {
  return decodePeerId(peerId)
}

/** Prefix of the signed bytes. */
export const signaturePrefix = Buffer.from('libp2p-pubsub:')
const tag = { from: 0x0a, data: 0x12, seqno: 0x1a, topic: 0x22 } as const

/** The signed bytes: `libp2p-pubsub:` and the protobuf of the message without signature and key. */
export function signedBytes(message: UnsignedMessage, from: Uint8Array = peerIdBytes(message.from)): Uint8Array {
  const parts: Uint8Array[] = [signaturePrefix]
  pushField(parts, tag.from, from)
  if (message.dataAbsent !== true) pushField(parts, tag.data, message.data)
  pushField(parts, tag.seqno, message.sequence)
  pushField(parts, tag.topic, Buffer.from(message.topic, 'utf8'))
  return Buffer.concat(parts)
}

/** Appends a length-delimited field of a protobuf message. */
export function pushField(parts: Uint8Array[], fieldTag: number, bytes: Uint8Array): void {
  const header = [fieldTag]
  let length = bytes.length
  for (; length >= 0x80; length = Math.floor(length / 0x80)) header.push((length % 0x80) | 0x80)
  header.push(length)
  parts.push(Uint8Array.from(header), bytes)
}

/** Signs with an Ed25519 key whose peer id is `from`. */
export interface MessageSigner {
  readonly peerId: string
  sign(sequence: bigint, topic: string, data: Uint8Array): SignedMessage
}

/** @param seed the 32 bytes of an Ed25519 private key (RFC 8032 §5.1.5) */
export function createMessageSigner(peerId: string, seed: Uint8Array): MessageSigner {
  const sign = ed25519.signer(seed)
  const from = peerIdBytes(peerId)
  return {
    peerId,
    sign(sequence, topic, data) {
      const message = { from: peerId, sequence: sequenceBytes(sequence), topic, data }
      return { ...message, signature: sign(signedBytes(message, from)) }
    },
  }
}

/**
 * Whether the author signed exactly this message; false if it can't be verified. Runs on the event loop; authors.ts
 * verifies off it.
 */
export async function verifyMessage(message: SignedMessage): Promise<boolean> {
  try {
    return await checkSignature(message)
  } catch {
    return false
  }
}

/** `verifyMessage`, synchronous for Ed25519 keys. @throws Error when the message can't be verified */
export function checkSignature(message: SignedMessage): boolean | Promise<boolean> {
  if (message.sequence.length !== 8) return false
  // Absent data is not signed.
  if (message.dataAbsent === true && message.data.length > 0) return false
  const peerId = peerIdFromString(message.from)
  // A peer id has several encodings; only the canonical one gives the message a unique id.
  if (peerId.toString() !== message.from) return false
  const key = message.publicKey === undefined ? peerId.publicKey : keyOf(message.publicKey)
  if (key === undefined || !peerIdFromPublicKey(key).equals(peerId)) return false
  const bytes = signedBytes(message, peerId.toMultihash().bytes)
  return key.type === 'Ed25519' ? ed25519.verifier(key.raw)(bytes, message.signature) : key.verify(bytes, message.signature)
}

/**
 * The public key sent with a message; undefined unless it is in canonical encoding, which leaves no room for other
 * bytes.
 */
function keyOf(publicKey: Uint8Array): ReturnType<typeof publicKeyFromProtobuf> | undefined {
  const key = publicKeyFromProtobuf(publicKey)
  return Buffer.compare(publicKeyToProtobuf(key), publicKey) === 0 ? key : undefined
}
