import { commonBits, compareDistance, type Place, placeOfPeer } from '../../key-space.ts'
import type { Contact } from './frames.ts'
import type { DhtNodeLimits } from './limits.ts'

/**
 * The known peers in buckets, by the number of leading bits that their place shares with this node's (Kademlia §2.4).
 * Only authenticated peers are added. The oldest entries stay while they answer, so that a flood of new peers changes
 * nothing.
 */
export interface RoutingTable {
  /** A peer is linked, or has answered. */
  seen(contact: Contact): void
  /** A peer did not answer. */
  failed(peerId: string): void
  remove(peerId: string): void
  /** The closest contacts, the closest first. */
  closest(target: Place, count: number): Contact[]
  get(peerId: string): Contact | undefined
  /** The buckets, each with the time of its last lookup. */
  readonly buckets: Array<{ bits: number; size: number; lookedUpAt: number }>
  lookedUp(target: Place): void
  readonly size: number
}

export interface RoutingTableComponents {
  now(): number
  /** The public network of a contact, in which one party may have many addresses; undefined for a private address. */
  networkOf(contact: Contact): string | undefined
}

interface Entry {
  contact: Contact
  place: Place
  network: string | undefined
  failures: number
}

interface Bucket {
  /** The least recently seen first. */
  entries: Entry[]
  /** Peers that wait for a place, the newest last. */
  reserve: Entry[]
  lookedUpAt: number
}

export function createRoutingTable(init: { peerId: string; limits: DhtNodeLimits }, components: RoutingTableComponents): RoutingTable {
  const { limits } = init
  const { now, networkOf } = components
  const own = placeOfPeer(init.peerId)
  const buckets = new Map<number, Bucket>()
  const byPeer = new Map<string, Entry>()

  function bucketOf(place: Place): Bucket {
    const bits = commonBits(own, place)
    const there = buckets.get(bits)
    if (there !== undefined) return there
    const fresh: Bucket = { entries: [], reserve: [], lookedUpAt: Number.NEGATIVE_INFINITY }
    buckets.set(bits, fresh)
    return fresh
  }

  function hasRoom({ entries }: Bucket, network: string | undefined): boolean {
    if (entries.length >= limits.k) return false
    return network === undefined || entries.filter((entry) => entry.network === network).length < limits.maxPerNetwork
  }

  function enter(bucket: Bucket, entry: Entry): void {
    bucket.entries.push(entry)
    byPeer.set(entry.contact.peerId, entry)
  }

  function without(entries: Entry[], peerId: string): Entry[] {
    return entries.filter(({ contact }) => contact.peerId !== peerId)
  }

  function drop(bucket: Bucket, peerId: string): void {
    bucket.entries = without(bucket.entries, peerId)
    byPeer.delete(peerId)
    const next = bucket.reserve.findLast(({ network }) => hasRoom(bucket, network))
    if (next === undefined) return
    bucket.reserve = without(bucket.reserve, next.contact.peerId)
    enter(bucket, next)
  }

  /**
   * The buckets by their distance from the target, so that few contacts need be sorted. Those of a bucket differ from
   * this node in its bit: where the target does too, they are closer than all that share more with this node; where it
   * does not, they are farther.
   */
  function* outwards(target: Place): Generator<Bucket> {
    const sorted = [...buckets].sort(([a], [b]) => a - b)
    const isCloser = ([bits]: [number, Bucket]) => bitOf(own, bits) !== bitOf(target, bits)
    for (const entry of sorted) if (isCloser(entry)) yield entry[1]
    for (const entry of sorted.reverse()) if (!isCloser(entry)) yield entry[1]
  }

  return {
    seen(contact) {
      const { peerId } = contact
      if (peerId === init.peerId || contact.multiaddrs.length === 0) return
      const there = byPeer.get(peerId)
      const place = there?.place ?? placeOfPeer(peerId)
      const bucket = bucketOf(place)
      const entry: Entry = { contact, place, network: networkOf(contact), failures: 0 }
      if (there !== undefined) {
        bucket.entries = without(bucket.entries, peerId)
        enter(bucket, entry)
        return
      }
      if (hasRoom(bucket, entry.network)) {
        enter(bucket, entry)
        return
      }
      bucket.reserve = [...without(bucket.reserve, peerId), entry].slice(-limits.maxReserve)
      const silent = bucket.entries.find(({ failures }) => failures > 0)
      if (silent !== undefined) drop(bucket, silent.contact.peerId)
    },
    failed(peerId) {
      const entry = byPeer.get(peerId)
      if (entry === undefined) return
      entry.failures++
      if (entry.failures >= limits.maxFailures) drop(bucketOf(entry.place), peerId)
    },
    remove(peerId) {
      const place = placeOfPeer(peerId)
      const bucket = bucketOf(place)
      bucket.reserve = without(bucket.reserve, peerId)
      if (byPeer.has(peerId)) drop(bucket, peerId)
    },
    closest(target, count) {
      const found: Entry[] = []
      for (const { entries } of outwards(target)) {
        if (found.length >= count) break
        found.push(...entries.toSorted((a, b) => compareDistance(target, a.place, b.place)))
      }
      return found.slice(0, count).map(({ contact }) => contact)
    },
    get: (peerId) => byPeer.get(peerId)?.contact,
    get buckets() {
      return [...buckets].map(([bits, { entries, lookedUpAt }]) => ({ bits, size: entries.length, lookedUpAt }))
    },
    lookedUp(target) {
      bucketOf(target).lookedUpAt = now()
    },
    get size() {
      return byPeer.size
    },
  }
}

function bitOf(place: Place, index: number): number {
  return ((place[index >> 3] ?? 0) >> (7 - (index & 7))) & 1
}
