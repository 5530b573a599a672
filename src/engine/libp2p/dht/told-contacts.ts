import { multiaddr } from '@multiformats/multiaddr'

/**
 * The addresses in an answer of kad-dht: `closer` (8) and `providers` (9) of its `Message`, `multiaddrs` (2) of each
 * (https://github.com/libp2p/specs/tree/master/kad-dht#rpc-messages). kad-dht reports peers without saying which peer
 * told them.
 */
export function toldAddresses(message: Uint8Array): string[] {
  return fieldsOf(message, new Set([8, 9])).flatMap((peer) => fieldsOf(peer, new Set([2])).flatMap(textOf))
}

/** Maximum bytes of a varint that is read as a length. */
const maxLengthBytes = 5

/** Collects the chunks of a length-prefixed message; returns the message once it is complete. */
export function createMessageCollector(): (chunk: Uint8Array) => Uint8Array | undefined {
  const chunks: Uint8Array[] = []
  let bytes = 0
  let length: { value: number; end: number } | undefined
  let isDone = false
  return (chunk) => {
    if (isDone) return undefined
    chunks.push(chunk)
    bytes += chunk.byteLength
    if (bytes > maxLengthBytes || chunks.length === 1) length ??= varint(chunks.length === 1 ? chunk : Buffer.concat(chunks), 0)
    if (length === undefined || bytes < length.end + length.value) {
      isDone = length === undefined && bytes > maxLengthBytes
      return undefined
    }
    isDone = true
    return Buffer.concat(chunks).subarray(length.end, length.end + length.value)
  }
}

/** The contents of the fields with these numbers, up to the first byte that is not valid protobuf. */
function fieldsOf(message: Uint8Array, numbers: ReadonlySet<number>): Uint8Array[] {
  const found: Uint8Array[] = []
  for (let at = 0; at < message.length; ) {
    const tag = varint(message, at)
    const next = tag === undefined ? undefined : varint(message, tag.end)
    if (tag === undefined || next === undefined) return found
    const wireType = tag.value % 8
    if (wireType === 0) at = next.end
    else if (wireType === 1) at = tag.end + 8
    else if (wireType === 5) at = tag.end + 4
    else if (wireType === 2) {
      at = next.end + next.value
      if (at > message.length) return found
      if (numbers.has(Math.floor(tag.value / 8))) found.push(message.subarray(next.end, at))
    } else return found
  }
  return found
}

function varint(bytes: Uint8Array, at: number): { value: number; end: number } | undefined {
  let value = 0
  for (let index = 0; index < maxLengthBytes; index++) {
    const byte = bytes[at + index]
    if (byte === undefined) return undefined
    value += (byte % 128) * 128 ** index
    if (byte < 128) return { value, end: at + index + 1 }
  }
  return undefined
}

function textOf(bytes: Uint8Array): string[] {
  try {
    return [multiaddr(bytes).toString()]
  } catch {
    return []
  }
}
