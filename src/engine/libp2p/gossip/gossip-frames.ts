import type { Connection, PeerId } from '@libp2p/interface'
import type { Asker } from '../../asker.ts'
import { FrameFlood } from '../../frame-flood.ts'
import type { LimitsReached } from '../../limits-reached.ts'
import type { LinkReading, Reading } from '../../reading.ts'
import { makePausable, type PausableStream } from '../transport/pausable-stream.ts'
import { createGossipBudget, type GossipBudget } from './gossip-budget.ts'
import type { GossipFrame, GossipInternals } from './gossip-internals.ts'

export interface GossipFrames {
  /** How fast the peer's gossip is read. */
  linkOf(peerId: PeerId): LinkReading | undefined
}

/** Milliseconds for which peers of an address are suspect after one of them was cut, and such addresses at once. */
const suspectMs = 60_000
const maxSuspects = 1_000

/**
 * Reads the gossip of each connection no faster than it is taken in, and cuts one whose peer sends more that brings nothing than any honest
 * one.
 */
export function boundGossip(
  internals: GossipInternals,
  components: {
    askerOf: (connection: Connection) => Pick<Asker, 'host'>
    reading: Reading
    reached: Pick<LimitsReached, 'note'>
  },
): GossipFrames {
  const { askerOf, reached } = components
  /** By host, when a link was cut last, by the monotonic clock; the oldest first. */
  const floods = new Map<string, number>()
  const { onIncomingStream, pipePeerReadStream, seenCache } = internals
  /** Of each connection, however many streams of gossip it has had. */
  const budgets = new WeakMap<Connection, GossipBudget>()
  /** The same, by the peer id that the connection has. */
  const links = new WeakMap<PeerId, Link>()
  let seen = 0
  let opening: Opening | undefined

  const { put } = seenCache
  seenCache.put = (id, value) => {
    const isKnown = put.call(seenCache, id, value)
    if (!isKnown) seen++
    return isKnown
  }
  internals.onIncomingStream = (stream, connection) => {
    opening = { connection, pausable: makePausable(stream) }
    try {
      // Begins to read within.
      onIncomingStream.call(internals, stream, connection)
    } finally {
      opening = undefined
    }
  }
  internals.pipePeerReadStream = (peerId, frames) =>
    pipePeerReadStream.call(internals, peerId, opening === undefined ? frames : inTime(peerId, opening, frames))

  function noteFlood(host: string): void {
    floods.delete(host)
    floods.set(host, performance.now())
    const [oldest] = floods.keys()
    if (floods.size > maxSuspects && oldest !== undefined) floods.delete(oldest)
  }

  function linkTo(peerId: PeerId): Link {
    const known = links.get(peerId)
    if (known !== undefined) return known
    let changed = Promise.withResolvers<void>()
    const reading = components.reading.link(peerId.toString(), () => {
      changed.resolve()
      changed = Promise.withResolvers()
    })
    const link = { reading, changed: () => changed.promise }
    links.set(peerId, link)
    return link
  }

  /** Frames as fast as there is room for them. */
  async function* inTime(peerId: PeerId, { connection, pausable }: Opening, frames: AsyncIterable<GossipFrame>) {
    const { reading, changed } = linkTo(peerId)
    for await (const frame of counted(connection, pausable.read(frames))) {
      yield frame
      for (let next = changed(); !reading.isOpen; next = changed()) {
        pausable.pause()
        await next
      }
    }
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

  return { linkOf: (peerId) => links.get(peerId)?.reading }
}

interface Link {
  reading: LinkReading
  /** Resolves when more may be read. */
  changed(): Promise<void>
}

/** A stream that is about to be read. */
interface Opening {
  connection: Connection
  pausable: PausableStream
}
