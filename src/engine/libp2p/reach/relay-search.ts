import { type BackOffRange, backOffMs } from '../../../lib/back-off.ts'
import { BoundedMap } from '../../../lib/bounded-map.ts'
import { createSingleFlight } from '../../../lib/single-flight.ts'
import type { FoundPeer } from '../../routing.ts'

/**
 * Looks for relays beyond the linked peers: among known ones, then by lookups of random keys in the DHT. It dials few
 * peers, and pauses longer after each search that was not enough. Pure: it owns no timer and no connection.
 */
export interface RelaySearch {
  /** Searches, unless the pause after the last search is not over. Concurrent calls share one search. */
  run(): Promise<void>
  /** There are enough relays: the next search begins without a pause. */
  reset(): void
  stop(): Promise<void>
}

/** Peers that one search dials, and concurrent ones. */
export const maxDialled = 8
const maxConcurrent = 3
/** Lookups of one search; each finds up to 20 peers. */
export const maxLookups = 3
/** Between searches. */
const pauses: BackOffRange = { firstMs: 10_000, lastMs: 600_000 }
/** Milliseconds until a peer is dialled again for this. */
const againMs = 600_000
/** Maximum remembered peers, about 100 bytes each; the oldest are forgotten first. */
const maxRemembered = 1_000

export function createRelaySearch(components: {
  isMissing(): boolean
  /** Peers that are known to relay. */
  known(): Promise<FoundPeer[]>
  /** Peers that a lookup of a random key finds. @throws Error when there is no DHT */
  lookUp(): AsyncIterable<FoundPeer>
  /** Whether the peer may be dialled and asked now. */
  isWanted(peerId: string): boolean
  /** Dials the peer, asks it when it relays, and ends the link when it is of no use. */
  tryOne(peer: FoundPeer): Promise<void>
  now: () => number
  random?: () => number
}): RelaySearch {
  const { isMissing, known, lookUp, isWanted, tryOne, now, random } = components
  const dialledAt = new BoundedMap<string, number>({ max: maxRemembered })
  let searches = 0
  let notBefore = 0

  async function* candidates(): AsyncGenerator<FoundPeer> {
    yield* await known()
    for (let lookups = 0; lookups < maxLookups; lookups++) yield* lookUp()
  }

  function isCandidate({ peerId, multiaddrs }: FoundPeer): boolean {
    return multiaddrs.length > 0 && isWanted(peerId) && now() - (dialledAt.get(peerId) ?? Number.NEGATIVE_INFINITY) >= againMs
  }

  async function search(): Promise<void> {
    const running = new Set<Promise<unknown>>()
    let dials = 0
    try {
      for await (const peer of candidates()) {
        if (!isMissing()) return
        if (!isCandidate(peer)) continue
        dialledAt.set(peer.peerId, now())
        const attempt: Promise<unknown> = Promise.allSettled([tryOne(peer)]).then(() => running.delete(attempt))
        running.add(attempt)
        if (++dials >= maxDialled) return
        if (running.size >= maxConcurrent) await Promise.race(running)
      }
    } finally {
      await Promise.all(running)
    }
  }

  const work = createSingleFlight(async () => {
    try {
      await search()
    } finally {
      if (isMissing()) notBefore = now() + backOffMs(pauses, searches++, random)
    }
  })

  function reset(): void {
    searches = 0
    notBefore = 0
  }

  return {
    async run() {
      if (isMissing() && now() >= notBefore) await work.run()
    },
    reset,
    async stop() {
      await work.idle()
      reset()
      dialledAt.clear()
    },
  }
}
