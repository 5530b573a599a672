import type { Connection, IdentifyResult, PeerId, Stream } from '@libp2p/interface'
import type { Logger } from 'pino'
import { createDeadline } from '../../../lib/deadline.ts'
import type { Limits } from '../../../limits.ts'
import { type GossipTraits, gossipTraits } from '../gossip/gossip-traits.ts'
import { pingOver } from '../ping.ts'

/**
 * Moves a peer from a relayed connection to a direct one. Both ends use a direct connection as soon as they have one,
 * and each closes the relayed one when nothing is left on it.
 */
export interface Handover {
  /** The peer has answered on the connection. */
  answered(result: Pick<IdentifyResult, 'connection' | 'agentVersion'>): void
}

/** Milliseconds without a message on a gossip stream, after which the relayed connection can close, and for which that is waited for. */
const quietMs = 5_000
const untilQuietMs = 60_000
/** Milliseconds between looks for gossip streams that the peer has opened on it. */
const lookMs = 1_000

export function createHandover(
  init: { limits: Pick<Limits, 'requestTimeoutMs'> },
  components: {
    connectionsTo(peer: PeerId): Connection[]
    /** Whether streams of the protocol last as long as their connection. */
    isLasting(protocol: string): boolean
    /** Has the peer announce what it publishes while its gossip streams move. */
    leaveMeshes(peerId: string): Promise<void>
    logger: Logger
  },
): Handover {
  const { requestTimeoutMs } = init.limits
  const { connectionsTo, isLasting, leaveMeshes, logger } = components
  const leaving = new WeakSet<Connection>()

  /**
   * The peer has answered on the direct connection, so it opens no more streams on the relayed one. When it has
   * answered a ping there too, all that it did open have arrived.
   */
  async function leave(relayed: Connection, { catchesUp, reopensSlowly }: GossipTraits): Promise<void> {
    await finished(relayed)
    // Gossip has its streams still here; those on the direct connection follow (gossip/gossip-links.ts).
    if (!catchesUp) {
      // The sooner it begins to open its streams anew, the less it has to publish yet.
      if (!reopensSlowly) await quiet(relayed, isLasting)
      if (relayed.status !== 'open') return
      await leaveMeshes(relayed.remotePeer.toString())
      using deadline = createDeadline(requestTimeoutMs, [])
      await pingOver(relayed, deadline.signal).catch(() => undefined)
    }
    await relayed.close()
  }

  /** Nothing is left on a connection but streams that last as long as it does. */
  async function finished(relayed: Connection): Promise<void> {
    using deadline = createDeadline(requestTimeoutMs, [])
    const { signal } = deadline
    await pingOver(relayed, signal).catch(() => undefined)
    const isDone = ({ protocol, status }: Stream) => status !== 'open' || isLasting(protocol)
    for (;;) {
      const left = relayed.streams.find((stream) => !isDone(stream))
      if (left === undefined || signal.aborted) break
      await closed(left, signal)
    }
  }

  return {
    answered({ connection, agentVersion = null }) {
      if (!connection.direct) return
      const traits = gossipTraits(agentVersion)
      for (const relayed of connectionsTo(connection.remotePeer)) {
        if (relayed.direct || relayed.status !== 'open' || leaving.has(relayed)) continue
        leaving.add(relayed)
        leave(relayed, traits).catch((err: unknown) => {
          logger.debug({ err }, 'a relayed connection did not close')
          relayed.abort(new Error('a direct connection takes its place'))
        })
      }
    },
  }
}

/**
 * A pause on all gossip streams that the peer has opened: what it publishes while its streams move comes late, and only
 * if it still announces it then. A stream that it has opened meanwhile carries messages, too.
 */
async function quiet(relayed: Connection, isLasting: (protocol: string) => boolean): Promise<void> {
  const streams = new Set<Stream>()
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, quietMs)
  const last = setTimeout(resolve, untilQuietMs)
  const heard = () => void timer.refresh()
  const look = () => {
    for (const stream of relayed.streams) {
      if (stream.direction !== 'inbound' || !isLasting(stream.protocol) || streams.has(stream)) continue
      streams.add(stream)
      stream.addEventListener('message', heard)
      heard()
    }
    looking.refresh()
  }
  const looking = setTimeout(look, lookMs)
  look()
  relayed.addEventListener('close', () => resolve(), { once: true })
  await promise
  for (const each of [timer, last, looking]) clearTimeout(each)
  for (const stream of streams) stream.removeEventListener('message', heard)
}

async function closed(stream: Stream, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const end = () => resolve()
  stream.addEventListener('close', end, { once: true })
  signal.addEventListener('abort', end, { once: true })
  await promise
  stream.removeEventListener('close', end)
  signal.removeEventListener('abort', end)
}
