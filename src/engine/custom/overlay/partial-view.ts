import type { PeerRecord } from './overlay.ts'

/**
 * A node's partial view of a set of peers (HyParView: Leitão, Pereira, Rodrigues 2007): a small active view of
 * neighbours, and a larger passive view as a reserve that replaces lost neighbours. No peer is in both.
 */
export interface PartialView {
  readonly active: ReadonlySet<string>
  readonly passive: ReadonlyMap<string, PeerRecord>
  activate(peerId: string): void
  deactivate(peerId: string): void
  /** Adds a peer to the reserve. A random peer leaves when the reserve is full. */
  know(peer: PeerRecord): void
  forget(peerId: string): void
  /** At most `count` random peers of the reserve. */
  samplePassive(count: number): PeerRecord[]
}

export function createPartialView(init: { peerId: string; passiveSize: number }, components: { random(): number }): PartialView {
  const active = new Set<string>()
  const passive = new Map<string, PeerRecord>()

  return {
    active,
    passive,
    activate(peerId) {
      passive.delete(peerId)
      active.add(peerId)
    },
    deactivate: (peerId) => active.delete(peerId),
    know(peer) {
      if (peer.peerId === init.peerId || active.has(peer.peerId) || peer.multiaddrs.length === 0) return
      if (!passive.has(peer.peerId) && passive.size >= init.passiveSize) {
        const victim = pick([...passive.keys()], components.random)
        if (victim !== undefined) passive.delete(victim)
      }
      passive.set(peer.peerId, peer)
    },
    forget: (peerId) => passive.delete(peerId),
    samplePassive: (count) => sample([...passive.values()], count, components.random),
  }
}

export function pick<Item>(items: readonly Item[], random: () => number): Item | undefined {
  return items[Math.floor(random() * items.length)]
}

/** At most `count` random items, each once. */
export function sample<Item>(items: readonly Item[], count: number, random: () => number): Item[] {
  const rest = [...items]
  const chosen: Item[] = []
  while (chosen.length < count && rest.length > 0) chosen.push(...rest.splice(Math.floor(random() * rest.length), 1))
  return chosen
}
