import type { Contact, DhtAnswer, DhtRequest } from './frames.ts'
import type { Holdings } from './holdings.ts'
import { type Place, placeOf, placeOfPeer, placeWithCommonBits } from './key-space.ts'
import type { DhtNodeLimits } from './limits.ts'
import type { LookupResult } from './lookup.ts'
import type { RoutingTable } from './routing-table.ts'

/** What a node of the DHT does by itself: it looks itself up, refreshes buckets, and tells again what it keeps and provides. */
export interface Upkeep {
  /** Does one thing that is due, unless it is still at the last; to be called about every second. */
  tick(): Promise<void>
}

export interface UpkeepComponents {
  table: Pick<RoutingTable, 'size' | 'buckets'>
  holdings: Holdings
  closestTo(place: Place, signal: AbortSignal): Promise<LookupResult>
  /** Tells the same to all; answers what they said. */
  tell(contacts: Contact[], request: DhtRequest, signal: AbortSignal): Promise<DhtAnswer[]>
  /** Says at a place that this node is a provider; answers how many took note. */
  announce(place: Place, signal: AbortSignal): Promise<number>
  now(): number
  /** In [0, 1). */
  random(): number
  randomBytes(count: number): Uint8Array
  /** Fires after so many milliseconds. */
  timeout(ms: number): AbortSignal
  ownAddresses(): string[]
}

/** When the node looks itself up after it has met the first peer, in milliseconds: often at first, since a network may start at once. */
const selfLookupsMs = [0, 2_000, 5_000, 15_000, 60_000]

export function createUpkeep(init: { peerId: string; limits: DhtNodeLimits; timeoutMs: number }, components: UpkeepComponents): Upkeep {
  const { limits, timeoutMs } = init
  const { table, holdings, closestTo, tell, announce, now, random, randomBytes, timeout, ownAddresses } = components
  const self = placeOfPeer(init.peerId)
  let metAt: number | undefined
  let selfLookups = 0
  let sweptAt = now()
  let announced = ''
  let busy: Promise<void> | undefined

  async function tellAgain(key: string, signal: AbortSignal): Promise<void> {
    const kept = await holdings.value(key)
    if (kept === undefined) return
    holdings.told(key)
    const { closest } = await closestTo(placeOf(Buffer.from(key)), signal)
    await tell(closest, { type: 'put-value', key, record: kept.record, ageMs: Math.max(0, now() - kept.putAt) }, signal)
  }

  /** One thing that is due, the most urgent first. */
  async function doDue(): Promise<void> {
    const signal = timeout(timeoutMs)
    if (now() - sweptAt > limits.republishMs) {
      sweptAt = now()
      await holdings.sweep()
    }
    if (table.size === 0) return
    metAt ??= now()
    const nextSelf = selfLookupsMs[selfLookups]
    if (nextSelf !== undefined && now() - metAt >= nextSelf) {
      selfLookups++
      await closestTo(self, signal)
      return
    }
    const addresses = ownAddresses().join()
    if (addresses !== announced && addresses !== '') {
      announced = addresses
      await announce(self, signal)
      return
    }
    const provided = [...holdings.provided].find(([, at]) => now() - at > limits.provideMs * spread(random))
    if (provided !== undefined) {
      const [place] = provided
      await holdings.provide(place)
      await announce(Buffer.from(place, 'hex'), signal)
      return
    }
    const value = holdings.values().find(({ heardAt }) => now() - heardAt > limits.republishMs * spread(random))
    if (value !== undefined) {
      await tellAgain(value.key, signal)
      return
    }
    // Up to the bucket of the closest peers; beyond it there is nobody.
    const stale = table.buckets.find(({ size, lookedUpAt }) => size > 0 && now() - lookedUpAt > limits.refreshMs * spread(random))
    if (stale === undefined) return
    const place = placeWithCommonBits(self, stale.bits, randomBytes)
    await closestTo(place, signal)
  }

  return {
    tick() {
      busy ??= doDue().finally(() => {
        busy = undefined
      })
      return busy
    },
  }
}

/** Half to one and a half, so that nodes do not all do the same at once. */
function spread(random: () => number): number {
  return 0.5 + random()
}
