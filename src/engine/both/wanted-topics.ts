import { createCounter } from '../../lib/counter.ts'

/**
 * Topics that subscribers in the other network want, each counted to one of them: the one to whose address the fewest
 * are counted, and of its peers the one with the fewest. The counts show who wants many topics, and who only a few. Peer
 * ids are free, so addresses share the topics first, and then the peers of each.
 */
export interface WantedTopics {
  readonly size: number
  has(topic: string): boolean
  /** By topic, when a subscriber was last there, by the monotonic clock. */
  [Symbol.iterator](): Iterator<[topic: string, at: number]>
  /** Somebody wants the topic now. */
  note(topic: string, subscribers: string[]): void
  delete(topic: string): void
  /**
   * Of some topics, the newest of the address to which the most are counted, if that are more than one of
   * `subscribers` would have at its address with one more; otherwise that of such a peer at the same address.
   */
  tooMany(topics: string[], subscribers: string[]): string | undefined
}

interface Wanted {
  at: number
  peerId: string
  host: string
}

/** @param hostOf the key of a peer's address (`Asker`) */
export function createWantedTopics({ hostOf }: { hostOf(peerId: string): string }): WantedTopics {
  const topics = new Map<string, Wanted>()
  const [hosts, peers] = [createCounter(), createCounter()]

  function leastOf(subscribers: string[]): string {
    const ofHost = (peerId: string) => hosts.count(hostOf(peerId))
    const [least = ''] = subscribers.toSorted((a, b) => ofHost(a) - ofHost(b) || peers.count(a) - peers.count(b))
    return least
  }

  function uncount({ host, peerId }: Wanted): void {
    hosts.remove(host)
    peers.remove(peerId)
  }

  /** The newest topic of the holder with the most of them, if that are more than one who has `mine` would have. */
  function newestOf(some: string[], holder: (wanted: Wanted) => string, mine: string): string | undefined {
    const held = Map.groupBy(some, (topic) => {
      const wanted = topics.get(topic)
      return wanted === undefined ? '' : holder(wanted)
    })
    const largest = [...held.values()].reduce<string[]>((most, each) => (each.length > most.length ? each : most), [])
    return largest.length > (held.get(mine)?.length ?? 0) + 1 ? newestOfPeers(largest) : undefined
  }

  /** Of the topics of an address, the newest of the peer with the most. */
  function newestOfPeers(some: string[]): string | undefined {
    const held = [...Map.groupBy(some, (topic) => topics.get(topic)?.peerId).values()]
    return held.reduce((most, each) => (each.length > most.length ? each : most), [] as string[]).at(-1)
  }

  return {
    get size() {
      return topics.size
    },
    has: (topic) => topics.has(topic),
    *[Symbol.iterator]() {
      for (const [topic, { at }] of topics) yield [topic, at]
    },
    note(topic, subscribers) {
      const there = topics.get(topic)
      if (there !== undefined) uncount(there)
      const peerId = leastOf(subscribers)
      const host = hostOf(peerId)
      hosts.add(host)
      peers.add(peerId)
      topics.set(topic, { at: performance.now(), peerId, host })
    },
    delete(topic) {
      const there = topics.get(topic)
      if (there !== undefined) uncount(there)
      topics.delete(topic)
    },
    tooMany(some, subscribers) {
      const peerId = leastOf(subscribers)
      const host = hostOf(peerId)
      const ofHost = some.filter((topic) => topics.get(topic)?.host === host)
      return newestOf(some, (wanted) => wanted.host, host) ?? newestOf(ofHost, (wanted) => wanted.peerId, peerId)
    },
  }
}
