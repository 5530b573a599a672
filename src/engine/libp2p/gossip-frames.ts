import type { Connection } from '@libp2p/interface'
import type { Asker } from '../asker.ts'
import { FrameFlood } from '../frame-flood.ts'
import type { LimitsReached } from '../limits-reached.ts'
import { createGossipBudget, type GossipBudget } from './gossip-budget.ts'
import type { GossipFrame, GossipInternals } from './gossip-internals.ts'

/** Milliseconds for which peers of an address are suspect after one of them was cut, and such addresses at once. */
const suspectMs = 60_000
const maxSuspects = 1_000

/** Cuts a connection whose peer sends more gossip that brings nothing than any honest one. */
export function boundGossip(
  internals: GossipInternals,
  { askerOf, reached }: { askerOf: (connection: Connection) => Pick<Asker, 'host'>; reached: Pick<LimitsReached, 'note'> },
): void {
  /** By host, when a link was cut last, by the monotonic clock; the oldest first. */
  const floods = new Map<string, number>()
  const { onIncomingStream, pipePeerReadStream, seenCache } = internals
  /** Of each connection, however many streams of gossip it has had. */
  const budgets = new WeakMap<Connection, GossipBudget>()
  let seen = 0
  let opening: Connection | undefined

  const { put } = seenCache
  seenCache.put = (id, value) => {
    const isKnown = put.call(seenCache, id, value)
    if (!isKnown) seen++
    return isKnown
  }
  internals.onIncomingStream = (stream, connection) => {
    opening = connection
    try {
      // Begins to read within.
      onIncomingStream.call(internals, stream, connection)
    } finally {
      opening = undefined
    }
  }
  internals.pipePeerReadStream = (peerId, frames) =>
    pipePeerReadStream.call(internals, peerId, opening === undefined ? frames : counted(opening, frames))

  function noteFlood(host: string): void {
    floods.delete(host)
    floods.set(host, performance.now())
    const [oldest] = floods.keys()
    if (floods.size > maxSuspects && oldest !== undefined) floods.delete(oldest)
  }

  async function* counted(connection: Connection, frames: AsyncIterable<GossipFrame>): AsyncGenerator<GossipFrame> {
    const { host } = askerOf(connection)
    const isSuspect = performance.now() - (floods.get(host) ?? Number.NEGATIVE_INFINITY) < suspectMs
    const budget = budgets.get(connection) ?? createGossipBudget(() => seen, { isSuspect })
    budgets.set(connection, budget)
    for await (const frame of frames) {
      const rpc = frame.subarray()
      try {
        budget.spend(rpc)
      } catch (error) {
        if (error instanceof FrameFlood && connection.status === 'open') {
          noteFlood(host)
          reached.note('frame_flood')
          connection.abort(error)
        }
        throw error
      }
      yield rpc
    }
  }
}
