import { crc32 } from 'node:zlib'
import type { NewMessage, StoredMessage } from '../../model/message.ts'

/**
 * CRC-32 of a message, as a signed 32-bit integer. It covers every field that its author, clients and peers see; what a gateway adds is in
 * `sumOf`. It detects changes by the disk, not by people: who can write to the database can write the
 * checksum as well, and readers that need proof verify the signature. Takes 1 µs for 100 bytes of data; verifying the signature takes 140 to 240.
 */
export function checksumOf(message: Omit<NewMessage, 'receivedAt'>): number {
  const { id, topic, to = '', from, sequence, dataAbsent, signature, publicKey, firstSeenAt, data } = message
  // Lengths, so that no byte can move from one field to the next.
  const lengths = [sequence.length, signature.length, publicKey?.length, firstSeenAt, dataAbsent === true]
  let sum = crc32(`${id}\n${topic}\n${to}\n${from}\n${lengths}`)
  for (const bytes of [sequence, signature, publicKey, data]) if (bytes !== undefined) sum = crc32(bytes, sum)
  return sum | 0
}

/**
 * The sum of the numbers that a gateway adds to a message: its place in the log, and its times. A database can compute it as well, which
 * gives the place itself, and decides by these times what to remove without reading the data. A change of one number never leaves the sum
 * as it was.
 */
export function sumOf({
  seq,
  receivedAt,
  storedAt,
  firstSeenAt = 0,
}: Pick<StoredMessage, 'seq' | 'receivedAt' | 'storedAt' | 'firstSeenAt'>): number {
  return seq + receivedAt + storedAt + firstSeenAt
}

/** Of what is sent to a recipient. */
export function checksumOfEnvelope(envelope: Uint8Array): number {
  return crc32(envelope) | 0
}
