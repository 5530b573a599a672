import { DhtDisabled, DhtNamespaceUnsupported, DhtUnavailable, RecordNotFound } from '../errors.ts'
import { parseDhtKey, replaces } from '../model/dht-record.ts'
import { compareDistance, placeOf, placeOfPeer } from './key-space.ts'
import type { FoundPeer, Routing } from './routing.ts'

/** Number of closest peers that a lookup finds (k of Kademlia). */
const closestCount = 20

/**
 * Several DHTs as one: what any finds counts, and what is announced or stored goes to all. One that is off, does not
 * know the namespace, or can only be asked is left out as long as another can do it.
 */
export function createMergedRouting(all: readonly Routing[]): Routing {
  /** Does the work on each DHT. Rejects only if all do, with the error that says most. */
  async function onEach<Result>(work: (routing: Routing) => Promise<Result>, signal?: AbortSignal): Promise<Result[]> {
    const settled = await Promise.allSettled(all.map(work))
    const done = settled.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
    if (done.length > 0) return done
    signal?.throwIfAborted()
    throw mostTelling(settled.flatMap((each) => (each.status === 'rejected' ? [each.reason] : [])))
  }

  return {
    async findPeer(peerId, options) {
      // One way to the peer is enough; the slower DHT is not waited for.
      return await Promise.any(all.map((routing) => routing.findPeer(peerId, options))).catch((error: AggregateError) => {
        options.signal.throwIfAborted()
        throw mostTelling(error.errors)
      })
    },
    async *closestPeers(key, options) {
      const place = placeOf(key)
      const found = await Array.fromAsync(
        together(
          all.map((routing) => routing.closestPeers(key, options)),
          options.signal,
        ),
      )
      const byDistance = found.toSorted((one, other) => compareDistance(place, placeOfPeer(one.peerId), placeOfPeer(other.peerId)))
      yield* byDistance.slice(0, closestCount)
    },
    async provide(cid, options) {
      await onEach((routing) => routing.provide(cid, options), options.signal)
    },
    async stopProviding(cid) {
      await onEach((routing) => routing.stopProviding(cid))
    },
    findProviders: (cid, options) =>
      together(
        all.map((routing) => routing.findProviders(cid, options)),
        options.signal,
      ),
    async put(key, record, options) {
      await onEach((routing) => routing.put(key, record, options), options.signal)
    },
    async putOwn(name, value, options) {
      const [first] = await onEach((routing) => routing.putOwn(name, value, options), options.signal)
      if (first === undefined) throw new DhtUnavailable('No DHT has stored the record.')
      return first
    },
    async get(key, options) {
      const [first, other] = await onEach((routing) => routing.get(key, options), options.signal)
      if (first === undefined) throw new RecordNotFound('No DHT has a record under this key.')
      return other !== undefined && (await replaces(parseDhtKey(key), other, first)) ? other : first
    },
  }
}

/** Errors of a DHT that took no part, which say less than others; the one that says least comes first. */
const abstentions = [DhtDisabled, DhtNamespaceUnsupported, DhtUnavailable]

function mostTelling(errors: unknown[]): unknown {
  const rank = (error: unknown) => {
    const found = abstentions.findIndex((kind) => error instanceof kind)
    return found === -1 ? abstentions.length : found
  }
  return errors.toSorted((one, other) => rank(other) - rank(one))[0]
}

/** What several lookups find, as they find it, each peer once. Fails only if all do before the first peer. */
export async function* together(lookups: Array<AsyncIterable<FoundPeer>>, signal: AbortSignal): AsyncGenerator<FoundPeer> {
  const seen = new Set<string>()
  const errors: unknown[] = []
  const iterators = lookups.map((lookup) => lookup[Symbol.asyncIterator]())
  const next = async (iterator: AsyncIterator<FoundPeer>) => ({
    iterator,
    result: await iterator.next().catch((error: unknown) => ({ error })),
  })
  const pending = new Map(iterators.map((iterator) => [iterator, next(iterator)]))
  try {
    while (pending.size > 0) {
      const { iterator, result } = await Promise.race(pending.values())
      if ('error' in result || result.done === true) {
        if ('error' in result) errors.push(result.error)
        pending.delete(iterator)
        continue
      }
      pending.set(iterator, next(iterator))
      if (seen.has(result.value.peerId)) continue
      seen.add(result.value.peerId)
      yield result.value
    }
  } finally {
    await Promise.all(Array.from(pending.keys(), (iterator) => iterator.return?.()))
  }
  if (seen.size > 0 || errors.length < lookups.length) return
  signal.throwIfAborted()
  throw mostTelling(errors)
}
