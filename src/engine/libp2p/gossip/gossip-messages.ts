import { publicKeyToProtobuf } from '@libp2p/crypto/keys'
import type { Message } from '@libp2p/gossipsub'
import { RPC } from '@libp2p/gossipsub/message'
import { ValidateError } from '@libp2p/gossipsub/types'
import type { Author, Authors } from '../../../model/authors.ts'
import { type SignedMessage, sequenceNumber, signaturePrefix } from '../../../model/signed-message.ts'

/** A received message with all fields of a signed one; not yet verified. */
export interface OpenedMessage {
  readonly author: Author
  /** The wire id. */
  readonly msgId: Uint8Array
  readonly topic: string
  readonly data: Uint8Array
  readonly dataAbsent: boolean
  readonly sequence: Uint8Array
  readonly signature: Uint8Array
  /** The bytes that the author signed. */
  readonly signed: Uint8Array
}

const sequenceLength = 8

/**
 * Parses a message by the rules of StrictSign, in the order of gossipsub's `validateToRawMessage`
 * (utils/buildRawMessage.js): sequence number, signature and author must be present, and the key must be the author's.
 */
export function openMessage(authors: Authors, rpc: RPC.Message): OpenedMessage | ValidateError {
  const { from, data, seqno, topic, signature, key } = rpc
  if (seqno?.length !== sequenceLength) return ValidateError.InvalidSeqno
  if (signature === undefined) return ValidateError.InvalidSignature
  const author = from === undefined ? undefined : authors.find(from, key)
  if (from === undefined || author === undefined) return ValidateError.InvalidPeerId
  const fields = { from, seqno, topic, ...(data === undefined ? {} : { data }) }
  return {
    author,
    msgId: Buffer.concat([from, seqno]),
    topic,
    data: data ?? new Uint8Array(0),
    dataAbsent: data === undefined,
    sequence: seqno,
    signature,
    signed: Buffer.concat([signaturePrefix, RPC.Message.encode(fields)]),
  }
}

export function isSame(one: OpenedMessage, other: OpenedMessage): boolean {
  return Buffer.compare(one.signed, other.signed) === 0 && Buffer.compare(one.signature, other.signature) === 0
}

/** Copies the message out of its frame, which may be thousands of times larger and would live as long. */
export function toSigned({ author, sequence, topic, data, dataAbsent, signature }: OpenedMessage): SignedMessage {
  return {
    from: author.peerId,
    sequence: Uint8Array.from(sequence),
    topic,
    data: Uint8Array.from(data),
    ...(dataAbsent ? { dataAbsent } : {}),
    signature: Uint8Array.from(signature),
    ...(author.isInlined ? {} : { publicKey: publicKeyToProtobuf(author.publicKey) }),
  }
}

/** The message as gossipsub emits it to its listeners. */
export function toGossipMessage({ author, sequence, topic, data, signature }: OpenedMessage): Message {
  return { type: 'signed', from: author.id, data, sequenceNumber: sequenceNumber(sequence), topic, signature, key: author.publicKey }
}
