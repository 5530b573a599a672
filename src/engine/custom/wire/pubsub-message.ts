import type { SignedMessage } from '../../../model/signed-message.ts'
import { peerIdBytes, pushField, signaturePrefix, signedBytes } from '../../../model/signed-message.ts'
import { ProtocolViolation } from './frame-stream.ts'

/**
 * A signed message in a frame: libp2p's pubsub protobuf with its fields in a fixed order and each length in its
 * shortest form. So each message has one encoding, and the signature follows the bytes that it covers.
 * https://github.com/libp2p/specs/blob/master/pubsub/README.md#the-message
 */
const tags = { from: 0x0a, data: 0x12, seqno: 0x1a, topic: 0x22, signature: 0x2a, key: 0x32 } as const

/** A libp2p peer id that contains its Ed25519 key: identity multihash, 36 bytes, protobuf of type 1 with 32 bytes. */
const ed25519PeerId = Buffer.from('002408011220', 'hex')
const signatureBytes = 64
/** First byte of a peer id that contains its key: the code of the identity multihash. */
const identityCode = 0x00
/** Bounds of what other authors have: RSA keys of up to 8,192 bits. */
const maxPeerIdBytes = 64
const maxSignatureBytes = 1_024
const maxKeyBytes = 2_048
const sequenceLength = 8
const maxTopicBytes = 256

/** A received message, not yet verified. */
export interface WireMessage {
  /** The author's peer id as a libp2p multihash, which contains an Ed25519 key; that of a libp2p peer may be of another kind. */
  readonly from: Buffer
  readonly sequence: Buffer
  readonly topic: string
  readonly data: Buffer
  readonly dataAbsent: boolean
  readonly signature: Buffer
  /** The author's public key as libp2p's protobuf, exactly when the peer id is a hash of it. */
  readonly key: Buffer | undefined
  /** The signed bytes, without the prefix. */
  readonly signed: Buffer
}

export function encodeMessage(message: SignedMessage): Buffer {
  const from = peerIdBytes(message.from)
  const parts: Uint8Array[] = [signedBytes(message, from).subarray(signaturePrefix.length)]
  pushField(parts, tags.signature, message.signature)
  if (message.publicKey !== undefined && from[0] !== identityCode) pushField(parts, tags.key, message.publicKey)
  return Buffer.concat(parts)
}

/** @throws ProtocolViolation on anything but the one encoding of a message */
export function decodeMessage(bytes: Buffer): WireMessage {
  const reader = new FieldReader(bytes)
  const from = reader.field(tags.from)
  const data = reader.optional(tags.data)
  const sequence = reader.field(tags.seqno)
  const topic = reader.field(tags.topic)
  const signed = bytes.subarray(0, reader.at)
  const signature = reader.field(tags.signature)
  const key = reader.optional(tags.key)
  if (reader.at !== bytes.length) throw new ProtocolViolation('trailing bytes behind a message')
  if (sequence.length !== sequenceLength || topic.length === 0 || topic.length > maxTopicBytes || !isAuthorship(from, signature, key)) {
    throw new ProtocolViolation('a message with a field of the wrong length')
  }
  return {
    from,
    sequence,
    topic: decodeUtf8(topic),
    data: data ?? Buffer.alloc(0),
    dataAbsent: data === undefined,
    signature,
    key,
    signed,
  }
}

/** Whether the author, the signature and the key can belong together, by their lengths. */
function isAuthorship(from: Buffer, signature: Buffer, key: Buffer | undefined): boolean {
  if (from.length === ed25519PeerId.length + 32 && from.subarray(0, ed25519PeerId.length).equals(ed25519PeerId))
    return signature.length === signatureBytes && key === undefined
  const isInlined = from[0] === identityCode
  if (from.length === 0 || from.length > maxPeerIdBytes || isInlined !== (key === undefined)) return false
  return signature.length <= maxSignatureBytes && (key?.length ?? 0) <= maxKeyBytes
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function decodeUtf8(bytes: Buffer): string {
  try {
    return utf8.decode(bytes)
  } catch (cause) {
    throw new ProtocolViolation('a topic that is not UTF-8', { cause })
  }
}

class FieldReader {
  readonly #bytes: Buffer
  at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  optional(tag: number): Buffer | undefined {
    return this.#bytes[this.at] === tag ? this.field(tag) : undefined
  }

  field(tag: number): Buffer {
    if (this.#bytes[this.at] !== tag) throw new ProtocolViolation('the fields of a message are missing or out of order')
    this.at++
    const length = this.#length()
    const end = this.at + length
    if (end > this.#bytes.length) throw new ProtocolViolation('a message with a field beyond its end')
    const field = this.#bytes.subarray(this.at, end)
    this.at = end
    return field
  }

  /** A varint of four bytes at most, in its shortest form. */
  #length(): number {
    let length = 0
    for (let shift = 0; shift <= 21; shift += 7) {
      const byte = this.#bytes[this.at++]
      if (byte === undefined) break
      length |= (byte & 0x7f) << shift
      if (byte < 0x80) {
        if (byte === 0 && shift > 0) break
        return length
      }
    }
    throw new ProtocolViolation('a message with an invalid length')
  }
}
