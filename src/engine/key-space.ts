import { createHash } from 'node:crypto'
import { createLru } from '../lib/lru.ts'
import { peerIdBytes } from '../model/signed-message.ts'

/**
 * The place of a peer or key: SHA-256 of the bytes of a peer id, of a value's key, or of a content's multihash. The
 * distance of two places is their XOR (Maymounkov and Mazières 2002, "Kademlia").
 */
export type Place = Buffer

export const placeBits = 256

export function placeOf(bytes: Uint8Array): Place {
  return createHash('sha256').update(bytes).digest()
}

/** A cache of places, since lookups meet the same peers repeatedly. */
const maxPlaces = 10_000
const places = createLru({ max: maxPlaces }, (peerId) => placeOf(peerIdBytes(peerId)))

/** @throws Error when the text is not a peer id */
export function placeOfPeer(peerId: string): Place {
  return places(peerId)
}

/** The place at which the subscribers of a topic announce themselves. */
export function placeOfTopic(topic: string): Place {
  return placeOf(Buffer.from(`peergate-topic:${topic}`))
}

/** Negative when `a` is closer to the target than `b`. */
export function compareDistance(target: Place, a: Place, b: Place): number {
  for (let at = 0; at < target.length; at++) {
    const here = target[at] ?? 0
    const difference = ((a[at] ?? 0) ^ here) - ((b[at] ?? 0) ^ here)
    if (difference !== 0) return difference
  }
  return 0
}

/** How many leading bits two places have in common. */
export function commonBits(a: Uint8Array, b: Uint8Array): number {
  for (let at = 0; at < a.length; at++) {
    const difference = (a[at] ?? 0) ^ (b[at] ?? 0)
    if (difference !== 0) return at * 8 + Math.clz32(difference) - 24
  }
  return placeBits
}

/** A random place with exactly `bits` leading bits in common with another. */
export function placeWithCommonBits(place: Place, bits: number, random: (bytes: number) => Uint8Array): Place {
  const other = Buffer.from(random(place.length))
  for (let bit = 0; bit <= bits && bit < placeBits; bit++) {
    const [at, mask] = [bit >> 3, 0x80 >> (bit & 7)]
    const own = (place[at] ?? 0) & mask
    const wanted = bit === bits ? own ^ mask : own
    other[at] = ((other[at] ?? 0) & ~mask) | wanted
  }
  return other
}

/** A place in hexadecimal. */
export function nameOf(place: Uint8Array): string {
  return Buffer.from(place).toString('hex')
}
