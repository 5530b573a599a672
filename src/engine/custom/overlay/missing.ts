import type { OverlayLimits } from './limits.ts'
import { createPromises, type PromisesComponents } from './promises.ts'
import { createUnasked } from './unasked.ts'

/** Announced messages that have not arrived: which neighbours have them, and when to request them from which. */
export interface Missing {
  /** A neighbour has a message that is not here. Returns whether it is the first one to say so. */
  announce(topic: string, id: string, holder: string, hops: number): boolean
  /** A message has arrived: earlier ones of its author are asked for soon. */
  overtaken(id: string): void
  /** A received message was forged: the other holders are asked at the next tick. */
  askNow(topic: string, id: string, holders: Iterable<string>): void
  /** The message has arrived. */
  found(id: string): void
  forgetPeer(peerId: string): void
  forgetTopic(topic: string): void
  /** The requests that are due, and the messages that are given up, by the neighbour that announced them first. */
  due(): { asks: Ask[]; missed: Map<string, string[]> }
  /** A request has left for the neighbour. */
  asked(peerId: string, ids: readonly string[]): void
  /** The link to the neighbour had no room for a request: it is asked once more, after the other holders. */
  notAsked(peerId: string, ids: readonly string[]): void
  /** The neighbours that have broken a promise since the last call. */
  broken(): Set<string>
  readonly size: number
}

export interface Ask {
  readonly peerId: string
  readonly topic: string
  readonly ids: string[]
}

interface Holder {
  readonly peerId: string
  readonly hops: number
  readonly doubt: number
}

interface Entry {
  readonly id: string
  readonly topic: string
  /** The holder that announced the message first. */
  readonly first: string
  /** Holders that were not asked yet, by rising doubt, then by hops to the author. */
  readonly holders: Holder[]
  /** The neighbours asked last. Their number doubles with each failed round. */
  asked: string[]
  /** Holders whose links had no room for a request. */
  readonly full: Set<string>
  dueAt: number
}

/** Messages that are due at once, at most: what many liars have announced in a moment would block all else for as long. */
const maxDue = 2_000

export function createMissing(
  init: { limits: OverlayLimits },
  components: PromisesComponents & { random(): number; doubt(peerId: string): number },
): Missing {
  const { limits } = init
  const { now } = components
  const promises = createPromises(init, components)
  /** In order of announcement. */
  const entries = new Map<string, Entry>()
  /** Entries that wait for their first request, and that no later message has overtaken. */
  const unasked = createUnasked<Entry>()
  /** Entries in which a neighbour is a holder, so that one cannot fill the list. */
  const counts = new Map<string, number>()

  function count(peerId: string, by: number): void {
    const next = (counts.get(peerId) ?? 0) + by
    if (next <= 0) counts.delete(peerId)
    else counts.set(peerId, next)
  }

  function remove(id: string, entry: Entry): void {
    entries.delete(id)
    unasked.remove(entry)
    for (const { peerId } of entry.holders) count(peerId, -1)
  }

  function addHolder(entry: Entry, peerId: string, hops: number): void {
    if (entry.asked.includes(peerId) || entry.holders.some((holder) => holder.peerId === peerId)) return
    // One late promise outweighs earlier messages.
    const holder = { peerId, hops, doubt: components.doubt(peerId) + Number(promises.isLate(peerId)) }
    const at = entry.holders.findIndex((other) => isBefore(holder, other))
    entry.holders.splice(at === -1 ? entry.holders.length : at, 0, holder)
    count(peerId, 1)
    if (entry.holders.length <= limits.maxHolders) return
    // A random one among the worst goes. Otherwise many early liars would shut out all later holders.
    const most = entry.holders.at(-1)?.doubt
    const first = entry.holders.findIndex(({ doubt }) => doubt === most)
    const [victim] = entry.holders.splice(first + Math.floor(components.random() * (entry.holders.length - first)), 1)
    if (victim !== undefined) count(victim.peerId, -1)
  }

  function entryOf(topic: string, id: string, first: string, dueAt: number): Entry | undefined {
    const known = entries.get(id)
    if (known !== undefined) return known
    if (entries.size >= limits.maxMissing) return undefined
    const entry: Entry = { id, topic, first, holders: [], asked: [], full: new Set(), dueAt }
    entries.set(id, entry)
    unasked.add(entry)
    return entry
  }

  return {
    announce(topic, id, holder, hops) {
      if ((counts.get(holder) ?? 0) + promises.count(holder) >= limits.maxPeerMissing) return false
      const isNew = !entries.has(id)
      const entry = entryOf(topic, id, holder, now() + limits.graftMs)
      if (entry !== undefined && entry.topic === topic) addHolder(entry, holder, hops)
      return isNew && entry !== undefined
    },
    overtaken(id) {
      const dueAt = now() + limits.overtakenMs
      for (const entry of unasked.takeBefore(id)) if (entry.holders.length > 0) entry.dueAt = Math.min(entry.dueAt, dueAt)
    },
    askNow(topic, id, holders) {
      const others = [...holders]
      const [first] = others
      if (first === undefined) return
      const entry = entryOf(topic, id, first, now())
      if (entry === undefined) return
      entry.dueAt = now()
      for (const peerId of others) addHolder(entry, peerId, 0)
    },
    asked: promises.asked,
    notAsked(peerId, ids) {
      for (const id of ids) {
        const entry = entries.get(id)
        if (entry === undefined) continue
        entry.asked = entry.asked.filter((asked) => asked !== peerId)
        // A link that had no room needs time to drain: it is asked again in the next round.
        const [next] = entry.holders
        if (entry.asked.length === 0 && next !== undefined && !entry.full.has(next.peerId)) entry.dueAt = now()
        if (entry.full.has(peerId) || entry.holders.length >= limits.maxHolders) continue
        entry.full.add(peerId)
        entry.holders.push({ peerId, hops: Number.POSITIVE_INFINITY, doubt: Number.POSITIVE_INFINITY })
        count(peerId, 1)
      }
    },
    broken: promises.broken,
    found(id) {
      promises.kept(id)
      const entry = entries.get(id)
      if (entry !== undefined) remove(id, entry)
    },
    forgetPeer(peerId) {
      promises.forgetPeer(peerId)
      if (!counts.has(peerId)) return
      for (const entry of entries.values()) {
        const at = entry.holders.findIndex((holder) => holder.peerId === peerId)
        if (at === -1) continue
        entry.holders.splice(at, 1)
        // Others may send or announce it meanwhile.
        if (entry.holders.length === 0 && entry.asked.length === 0) entry.dueAt = now() + limits.graftMs
      }
      counts.delete(peerId)
    },
    forgetTopic(topic) {
      for (const [id, entry] of entries) if (entry.topic === topic) remove(id, entry)
    },
    due() {
      const asks = new Map<string, Ask>()
      const missed = new Map<string, string[]>()
      if (entries.size === 0) return { asks: [], missed }
      const at = now()
      let taken = 0
      for (const [id, entry] of entries) {
        if (entry.dueAt > at) continue
        if (++taken > maxDue) break
        const next = entry.holders.splice(0, Math.max(1, 2 * entry.asked.length))
        if (next.length === 0) {
          remove(id, entry)
          const ids = missed.get(entry.first)
          if (ids === undefined) missed.set(entry.first, [id])
          else ids.push(id)
          continue
        }
        unasked.remove(entry)
        entry.asked = next.map(({ peerId }) => peerId)
        entry.dueAt = at + limits.graftAgainMs
        for (const { peerId } of next) {
          count(peerId, -1)
          const key = `${peerId}\0${entry.topic}`
          const ask = asks.get(key) ?? { peerId, topic: entry.topic, ids: [] }
          ask.ids.push(id)
          asks.set(key, ask)
        }
      }
      return { asks: [...asks.values()], missed }
    },
    get size() {
      return entries.size
    },
  }
}

function isBefore(a: Holder, b: Holder): boolean {
  return a.doubt === b.doubt ? a.hops < b.hops : a.doubt < b.doubt
}
