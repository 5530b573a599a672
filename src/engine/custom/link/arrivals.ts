/** Peers that are to dial this node, and whether they have: what a peer says of its own dial proves nothing. */
export interface Arrivals {
  /** Notes whether the peer dials this node and proves its identity, from this call to the disposal. */
  of(peerId: string): Arrival
  /** A peer has dialled this node, and proved its identity. */
  arrived(peerId: string): void
}

export interface Arrival extends Disposable {
  /** Resolves when the peer has. */
  readonly arrived: Promise<void>
}

export function createArrivals(): Arrivals {
  const expected = new Map<string, Set<() => void>>()

  return {
    of(peerId) {
      const { promise, resolve } = Promise.withResolvers<void>()
      const all = expected.get(peerId) ?? new Set()
      expected.set(peerId, all.add(resolve))
      return {
        arrived: promise,
        [Symbol.dispose]() {
          all.delete(resolve)
          if (all.size === 0 && expected.get(peerId) === all) expected.delete(peerId)
        },
      }
    },
    arrived(peerId) {
      for (const resolve of expected.get(peerId) ?? []) resolve()
    },
  }
}
