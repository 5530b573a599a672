import { multiaddr } from '@multiformats/multiaddr'
import { bytesField } from '../protobuf.ts'

/** Maximum peers of a DHT message, and addresses of each. The rest is left out. */
export interface MaxContacts {
  closer: number
  providers: number
  addresses: number
}

/** A DHT message with a bounded number of peers, and the addresses in it. */
export interface BoundedContacts {
  message: Uint8Array
  addresses: Uint8Array[]
}

/**
 * The fields of kad-dht's `Message` and `Peer` that are bounded
 * (https://github.com/libp2p/specs/tree/master/kad-dht#rpc-messages).
 */
const fieldNumbers = { closer: 8, providers: 9, addresses: 2 }

/** Maximum fields of a message. One of 128 KiB with addresses of ten bytes, which few are, has this number. */
const maxFields = 12_000

/**
 * Leaves out of a DHT message the peers and addresses beyond a maximum, before kad-dht decodes them: each costs it some
 * microseconds, and 128 KiB have room for 16,000. @throws Error when the message has too many fields, or is no protobuf
 * of the types in use
 */
export function boundContacts(message: Uint8Array, max: MaxContacts): BoundedContacts {
  const counts = { [fieldNumbers.closer]: max.closer, [fieldNumbers.providers]: max.providers }
  const addresses: Uint8Array[] = []
  let fields = 0

  /** Yields the fields of a message: each as it is, its number, and its content if it has a length. */
  function* fieldsOf(bytes: Uint8Array): Generator<{ number: number; whole: Uint8Array; content: Uint8Array | undefined }> {
    for (let at = 0; at < bytes.length; ) {
      if (++fields > maxFields) throw new Error(`a DHT message has more than ${maxFields} fields`)
      const tag = varint(bytes, at)
      const end = endOf(bytes, tag)
      if (end.at > bytes.length) throw new Error('a field is longer than its DHT message')
      const content = tag.value % 8 === 2 ? bytes.subarray(end.from, end.at) : undefined
      yield { number: Math.floor(tag.value / 8), whole: bytes.subarray(at, end.at), content }
      at = end.at
    }
  }

  function boundPeer(peer: Uint8Array): Uint8Array {
    const kept: Uint8Array[] = []
    let left = max.addresses
    for (const { number, whole, content } of fieldsOf(peer)) {
      const isAddress = number === fieldNumbers.addresses && content !== undefined
      if (isAddress && --left < 0) continue
      if (isAddress) addresses.push(content)
      kept.push(whole)
    }
    return Buffer.concat(kept)
  }

  const kept: Uint8Array[] = []
  for (const { number, whole, content } of fieldsOf(message)) {
    const left = counts[number]
    if (left === undefined || content === undefined) kept.push(whole)
    else if (left > 0) {
      counts[number] = left - 1
      kept.push(bytesField(number, boundPeer(content)))
    }
  }
  return { message: Buffer.concat(kept), addresses }
}

/** Addresses as text, without those that are none. */
export function addressTexts(addresses: Uint8Array[]): string[] {
  return addresses.flatMap((bytes) => {
    try {
      return [multiaddr(bytes).toString()]
    } catch {
      return []
    }
  })
}

/** Maximum bytes of a varint. */
const maxVarintBytes = 10

/** @throws Error when there is no varint */
function varint(bytes: Uint8Array, at: number): { value: number; end: number } {
  const read = readVarint(bytes, at)
  if (read === undefined) throw new Error('a DHT message ends within a number')
  return read
}

/** Undefined when the bytes end within it. @throws Error when it is too long */
export function readVarint(bytes: Uint8Array, at: number): { value: number; end: number } | undefined {
  let value = 0
  for (let index = 0; index < maxVarintBytes; index++) {
    const byte = bytes[at + index]
    if (byte === undefined) return undefined
    value += (byte % 128) * 128 ** index
    if (byte < 128) return { value, end: at + index + 1 }
  }
  throw new Error('a number of a DHT message is too long')
}

/** Where the content of a field begins and ends. @throws Error for wire types that kad-dht does not use */
function endOf(bytes: Uint8Array, tag: { value: number; end: number }): { from: number; at: number } {
  switch (tag.value % 8) {
    case 0: {
      return { from: tag.end, at: varint(bytes, tag.end).end }
    }
    case 1:
      return { from: tag.end, at: tag.end + 8 }
    case 2: {
      const { value, end } = varint(bytes, tag.end)
      return { from: end, at: end + value }
    }
    case 5:
      return { from: tag.end, at: tag.end + 4 }
    default:
      throw new Error('a DHT message has a field of another type')
  }
}
