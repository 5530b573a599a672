import type { Connection, PeerId } from '@libp2p/interface'
import { BoundedMap } from '../../../lib/bounded-map.ts'
import type { Asker } from '../../asker.ts'
import { FrameFlood } from '../../frame-flood.ts'
import type { LimitsReached } from '../../limits-reached.ts'
import type { LinkReading, Reading } from '../../reading.ts'
import { makePausable, type PausableStream } from '../transport/pausable-stream.ts'
import { createGossipBudget, type GossipBudget } from './gossip-budget.ts'
import type { GossipFrame, GossipInternals } from './gossip-internals.ts'

export interface GossipFrames {
  /** The paced reading of the peer's gossip. */
  linkOf(peerId: PeerId): LinkReading
}

/** Milliseconds for which an address is suspect after a link from it was cut, and maximum suspect addresses. */
const suspectMs = 60_000
const maxSuspects = 1_000

/**
 * Reads the gossip of each connection at the pace at which it is taken in, and cuts a connection whose peer sends more
 * useless gossip than any honest peer does.
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
  /** The time of the last cut by host, by the monotonic clock. */
  const floods = new BoundedMap<string, number>({ max: maxSuspects })
  const { onIncomingStream, pipePeerReadStream, seenCache } = internals
  /** One budget per connection, whatever the number of its gossip streams. */
  const budgets = new WeakMap<Connection, GossipBudget>()
  /** Links by the peer id object of their connection. */
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
      // Reading begins inside this call.
      onIncomingStream.call(internals, stream, connection)
    } finally {
      opening = undefined
    }
  }
  internals.pipePeerReadStream = (peerId, frames) =>
    pipePeerReadStream.call(internals, peerId, opening === undefined ? frames : inTime(peerId, opening, frames))

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

  /** Yields frames at the pace at which there is room for them. */
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
          floods.set(host, performance.now())
          reached.note('frame_flood')
          connection.abort(error)
        }
        throw error
      }
      yield rpc
    }
  }

  return { linkOf: (peerId) => linkTo(peerId).reading }
}

interface Link {
  reading: LinkReading
  /** Resolves when more may be readable. */
  changed(): Promise<void>
}

/** A stream whose reading is about to begin. */
interface Opening {
  connection: Connection
  pausable: PausableStream
}
