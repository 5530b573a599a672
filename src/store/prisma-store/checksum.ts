import { crc32 } from 'node:zlib'
import type { NewMessage } from '../../model/message.ts'

/**
 * CRC-32 of what a message is made of, as the signed 32 bits of a column: everything that clients and peers are told of it but what this gateway
 * itself says of its place and its time. It finds what a disk has changed, not what somebody has: whoever can write to the database can write
 * the checksum, too, and readers that must know verify the signature. 1 µs for a message of 100 bytes, where verifying the signature takes 100.
 */
export function checksumOf(message: Omit<NewMessage, 'receivedAt'>): number {
  const { id, topic, to = '', from, sequence, dataAbsent, signature, publicKey, firstSeenAt, data } = message
  // Lengths, so that no byte can move from one field to the next.
  const lengths = [sequence.length, signature.length, publicKey?.length, firstSeenAt, dataAbsent === true]
  let sum = crc32(`${id}\n${topic}\n${to}\n${from}\n${lengths}`)
  for (const bytes of [sequence, signature, publicKey, data]) if (bytes !== undefined) sum = crc32(bytes, sum)
  return sum | 0
}

/** Of what is sent to a recipient. */
export function checksumOfEnvelope(envelope: Uint8Array): number {
  return crc32(envelope) | 0
}
