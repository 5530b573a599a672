import type { Connection } from '@libp2p/interface'
import { FrameFlood } from '../frame-flood.ts'
import type { LimitsReached } from '../limits-reached.ts'
import { createGossipBudget, type GossipBudget } from './gossip-budget.ts'
import type { GossipFrame, GossipInternals } from './gossip-internals.ts'

/** Cuts a connection whose peer sends more gossip that brings nothing than any honest one. */
export function boundGossip(internals: GossipInternals, { reached }: { reached: Pick<LimitsReached, 'note'> }): void {
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

  async function* counted(connection: Connection, frames: AsyncIterable<GossipFrame>): AsyncGenerator<GossipFrame> {
    const budget = budgets.get(connection) ?? createGossipBudget(() => seen)
    budgets.set(connection, budget)
    for await (const frame of frames) {
      const rpc = frame.subarray()
      try {
        budget.spend(rpc)
      } catch (error) {
        if (error instanceof FrameFlood && connection.status === 'open') {
          reached.note('frame_flood')
          connection.abort(error)
        }
        throw error
      }
      yield rpc
    }
  }
}
