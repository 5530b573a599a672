import type { OverlayLimits } from './limits.ts'

/** Messages that neighbours announced and that have not come: who has them, and when to ask whom. */
export interface Missing {
  /** A neighbour has a message that is not here. */
  announce(topic: string, id: string, holder: string, hops: number): void
  /** A message that came was none: the others that have it are asked at the next turn. */
  askNow(topic: string, id: string, holders: Iterable<string>): void
  /** It came. */
  found(id: string): void
  forgetPeer(peerId: string): void
  forgetTopic(topic: string): void
  /** What to ask of whom now; who was asked before and did not answer is among `broken`. */
  due(): { asks: Ask[]; broken: Set<string> }
  readonly size: number
}

export interface Ask {
  readonly peerId: string
  readonly topic: string
  readonly ids: string[]
}

interface Entry {
  readonly topic: string
  /** Those not asked yet, the nearest to the author first. */
  readonly holders: Array<{ peerId: string; hops: number }>
  asked: string | undefined
  dueAt: number
}

export function createMissing(init: { limits: OverlayLimits }, components: { now(): number }): Missing {
  const { limits } = init
  const { now } = components
  /** In the order in which they were announced. */
  const entries = new Map<string, Entry>()
  /** Entries in which a neighbour is a holder, so that one cannot fill the list. */
  const counts = new Map<string, number>()

  function count(peerId: string, by: number): void {
    const next = (counts.get(peerId) ?? 0) + by
    if (next <= 0) counts.delete(peerId)
    else counts.set(peerId, next)
  }

  function remove(id: string, entry: Entry): void {
    entries.delete(id)
    for (const { peerId } of entry.holders) count(peerId, -1)
  }

  function addHolder(entry: Entry, peerId: string, hops: number): void {
    if (entry.asked === peerId || entry.holders.length >= limits.maxHolders) return
    if (entry.holders.some((holder) => holder.peerId === peerId)) return
    const at = entry.holders.findIndex((holder) => holder.hops > hops)
    entry.holders.splice(at === -1 ? entry.holders.length : at, 0, { peerId, hops })
    count(peerId, 1)
  }

  function entryOf(topic: string, id: string, dueAt: number): Entry | undefined {
    const known = entries.get(id)
    if (known !== undefined) return known
    if (entries.size >= limits.maxMissing) return undefined
    const entry: Entry = { topic, holders: [], asked: undefined, dueAt }
    entries.set(id, entry)
    return entry
  }

  return {
    announce(topic, id, holder, hops) {
      if ((counts.get(holder) ?? 0) >= limits.maxPeerMissing) return
      const entry = entryOf(topic, id, now() + limits.graftMs)
      if (entry !== undefined && entry.topic === topic) addHolder(entry, holder, hops)
    },
    askNow(topic, id, holders) {
      const others = [...holders]
      if (others.length === 0) return
      const entry = entryOf(topic, id, now())
      if (entry === undefined) return
      entry.dueAt = now()
      for (const peerId of others) addHolder(entry, peerId, 0)
    },
    found(id) {
      const entry = entries.get(id)
      if (entry !== undefined) remove(id, entry)
    },
    forgetPeer(peerId) {
      if (!counts.has(peerId)) return
      for (const entry of entries.values()) {
        const at = entry.holders.findIndex((holder) => holder.peerId === peerId)
        if (at !== -1) entry.holders.splice(at, 1)
      }
      counts.delete(peerId)
    },
    forgetTopic(topic) {
      for (const [id, entry] of entries) if (entry.topic === topic) remove(id, entry)
    },
    due() {
      const asks = new Map<string, Ask>()
      const broken = new Set<string>()
      if (entries.size === 0) return { asks: [], broken }
      const at = now()
      for (const [id, entry] of entries) {
        if (entry.dueAt > at) continue
        if (entry.asked !== undefined) broken.add(entry.asked)
        const holder = entry.holders.shift()
        if (holder === undefined) {
          entries.delete(id)
          continue
        }
        count(holder.peerId, -1)
        entry.asked = holder.peerId
        entry.dueAt = at + limits.graftAgainMs
        const key = `${holder.peerId}\0${entry.topic}`
        const ask = asks.get(key) ?? { peerId: holder.peerId, topic: entry.topic, ids: [] }
        ask.ids.push(id)
        asks.set(key, ask)
      }
      return { asks: [...asks.values()], broken }
    },
    get size() {
      return entries.size
    },
  }
}
