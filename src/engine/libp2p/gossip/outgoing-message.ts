import type { RPC } from '@libp2p/gossipsub/message'
import { peerIdFromMultihash } from '@libp2p/peer-id'
import { decode } from 'multiformats/hashes/digest'
import { messageId } from '../../../model/signed-message.ts'

/** A signed message in the form that gossipsub sends. */
export interface OutgoingMessage {
  raw: RPC.Message
  /** The message id, as `messageId` gives it. */
  id(): string
  /** Size of an RPC that holds only this message, in bytes. */
  rpcBytes: number
}

/** Messages in one RPC. More make no difference to a receiver, which verifies them one after another. */
const maxRpcMessages = 50
/** Bytes that a peer takes that measures strictly, and those of what follows that it may have read by then. */
const strictRpcBytes = 65_536
const readAheadBytes = 8_192
/** Bytes of an RPC of several messages: what every peer takes that takes batches. A larger message goes alone. */
const maxBatchBytes = 57_000
/** Bytes of an RPC around the fields of a message, and the sequence number. */
const overheadBytes = 64

export function toOutgoing(raw: RPC.Message): OutgoingMessage {
  const { from, seqno, topic, data, key, signature } = raw
  const sizes = [from, data, key, signature].map((field) => field?.length ?? 0)
  return {
    raw,
    id: () => (from === undefined || seqno === undefined ? '' : messageId(peerIdFromMultihash(decode(from)).toString(), seqno)),
    rpcBytes: sizes.reduce((sum, size) => sum + size, Buffer.byteLength(topic) + overheadBytes),
  }
}

/** Whether a peer that measures strictly takes the message only if nothing follows until it has read it. */
export function isTakenAlone({ rpcBytes }: OutgoingMessage): boolean {
  // The RPC may have less than this size, but has all fields of the message.
  return rpcBytes > strictRpcBytes - readAheadBytes && rpcBytes - overheadBytes <= strictRpcBytes
}

/** Splits messages into batches that each fit into one RPC. */
export function* batches(messages: OutgoingMessage[]): Generator<OutgoingMessage[]> {
  let batch: OutgoingMessage[] = []
  let bytes = 0
  for (const message of messages) {
    if (batch.length > 0 && (batch.length >= maxRpcMessages || bytes + message.rpcBytes > maxBatchBytes)) {
      yield batch
      batch = []
      bytes = 0
    }
    batch.push(message)
    bytes += message.rpcBytes
  }
  if (batch.length > 0) yield batch
}
