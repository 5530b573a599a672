import type { Deadline } from '../../../lib/deadline.ts'
import { createSingleFlight } from '../../../lib/single-flight.ts'
import { type Place, placeOf, placeOfPeer, placeWithCommonBits } from '../../key-space.ts'
import type { Contact, DhtAnswer, DhtRequest } from './frames.ts'
import type { Holdings } from './holdings.ts'
import type { DhtNodeLimits } from './limits.ts'
import type { LookupResult } from './lookup.ts'
import type { RoutingTable } from './routing-table.ts'

/**
 * The periodic tasks of a DHT node: it looks up its own place, refreshes buckets, and republishes values and provider
 * entries.
 */
export interface Upkeep {
  /** Does one due task, unless the last one is still running. Call it about every second. */
  tick(): Promise<void>
}

export interface UpkeepComponents {
  table: Pick<RoutingTable, 'size' | 'buckets'>
  holdings: Holdings
  closestTo(place: Place, signal: AbortSignal): Promise<LookupResult>
  /** Sends one request to all contacts; returns the answers that arrive. */
  tell(contacts: Contact[], request: DhtRequest, signal: AbortSignal): Promise<DhtAnswer[]>
  /** Announces this node as a provider at a place; returns how many peers stored it. */
  announce(place: Place, signal: AbortSignal): Promise<number>
  now(): number
  /** In [0, 1). */
  random(): number
  randomBytes(count: number): Uint8Array
  deadline(ms: number, signals: AbortSignal[]): Deadline
  ownAddresses(): string[]
}

/**
 * Milliseconds from the first known peer to each lookup of the own place: frequent at first, since a whole network may
 * start at once.
 */
const selfLookupsMs = [0, 2_000, 5_000, 15_000, 60_000]

export function createUpkeep(init: { peerId: string; limits: DhtNodeLimits; timeoutMs: number }, components: UpkeepComponents): Upkeep {
  const { limits, timeoutMs } = init
  const { table, holdings, closestTo, tell, announce, now, random, randomBytes, deadline, ownAddresses } = components
  const self = placeOfPeer(init.peerId)
  let metAt: number | undefined
  let selfLookups = 0
  let sweptAt = now()
  let announced = ''

  async function tellAgain(key: string, signal: AbortSignal): Promise<void> {
    const kept = await holdings.value(key)
    if (kept === undefined) return
    holdings.told(key)
    const { closest } = await closestTo(placeOf(Buffer.from(key)), signal)
    await tell(closest, { type: 'put-value', key, record: kept.record, ageMs: Math.max(0, now() - kept.putAt) }, signal)
  }

  /** Does one due task, the most urgent first. */
  async function doDue(): Promise<void> {
    using limit = deadline(timeoutMs, [])
    const { signal } = limit
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
    // Buckets beyond that of the closest peers are empty.
    const stale = table.buckets.find(({ size, lookedUpAt }) => size > 0 && now() - lookedUpAt > limits.refreshMs * spread(random))
    if (stale === undefined) return
    const place = placeWithCommonBits(self, stale.bits, randomBytes)
    await closestTo(place, signal)
  }

  return { tick: createSingleFlight(doDue).run }
}

/** A factor from 0.5 to 1.5, so that nodes do not act in step. */
function spread(random: () => number): number {
  return 0.5 + random()
}
