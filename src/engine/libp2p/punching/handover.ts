import type { Connection, PeerId, Stream } from '@libp2p/interface'
import type { Logger } from 'pino'
import { createDeadline } from '../../../lib/deadline.ts'
import type { Limits } from '../../../limits.ts'
import { pingOver } from '../ping.ts'

/**
 * Moves a peer from a relayed connection to a direct one. Both ends use a direct connection as soon as they have one,
 * and each closes the relayed one when nothing is left on it.
 */
export interface Handover {
  /** The peer has answered on the connection. */
  answered(connection: Connection): void
}

export function createHandover(
  init: { limits: Pick<Limits, 'requestTimeoutMs'> },
  components: {
    connectionsTo(peer: PeerId): Connection[]
    /** Whether streams of the protocol last as long as their connection. */
    isLasting(protocol: string): boolean
    logger: Logger
  },
): Handover {
  const { requestTimeoutMs } = init.limits
  const { connectionsTo, isLasting, logger } = components
  const leaving = new WeakSet<Connection>()

  /**
   * The peer has answered on the direct connection, so it opens no more streams on the relayed one. When it has
   * answered a ping there too, all that it did open have arrived.
   */
  async function leave(relayed: Connection): Promise<void> {
    using deadline = createDeadline(requestTimeoutMs, [])
    const { signal } = deadline
    await pingOver(relayed, signal).catch(() => undefined)
    const isDone = ({ protocol, status }: Stream) => status !== 'open' || isLasting(protocol)
    for (;;) {
      const left = relayed.streams.find((stream) => !isDone(stream))
      if (left === undefined || signal.aborted) break
      await closed(left, signal)
    }
    // Gossip has its streams still here; those on the direct connection follow (gossip/gossip-links.ts).
    await relayed.close()
  }

  return {
    answered(connection) {
      if (!connection.direct) return
      for (const relayed of connectionsTo(connection.remotePeer)) {
        if (relayed.direct || relayed.status !== 'open' || leaving.has(relayed)) continue
        leaving.add(relayed)
        leave(relayed).catch((err: unknown) => {
          logger.debug({ err }, 'a relayed connection did not close')
          relayed.abort(new Error('a direct connection takes its place'))
        })
      }
    },
  }
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
