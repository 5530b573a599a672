import type { Connection } from '@libp2p/interface'
import { createDeadline } from '../../lib/deadline.ts'
import type { Limits } from '../../limits.ts'
import { pingOver } from './ping.ts'
import type { SignsOfLife } from './signs-of-life.ts'

/**
 * Closes connections whose other end has fallen silent, and measures the round trip of the others. libp2p's own monitor
 * closes a connection as soon as a ping on it fails. But peers refuse pings on connections that work: go-libp2p takes
 * two at a time from a peer, however many connections there are, and rust-libp2p gives up one when another begins. So a
 * refused ping ends none. A connection that stays mute while the peer is heard on another one has lost its way, and
 * ends sooner.
 */
export interface ConnectionMonitor {
  start(): void
  stop(): Promise<void>
}

export function createConnectionMonitor(
  init: { limits: Pick<Limits, 'silentLinkMs'> },
  components: { connections(): Connection[]; signsOfLife: Pick<SignsOfLife, 'heardAt'> },
): ConnectionMonitor {
  const { silentLinkMs } = init.limits
  const { connections, signsOfLife } = components
  const pinged = new Map<Connection, Promise<void>>()
  let stopping = new AbortController()
  let timer: NodeJS.Timeout | undefined

  function look(): void {
    for (const connection of connections()) {
      if (connection.status !== 'open' || pinged.has(connection)) continue
      pinged.set(
        connection,
        endIfSilent(connection).finally(() => pinged.delete(connection)),
      )
    }
  }

  async function endIfSilent(connection: Connection): Promise<void> {
    const start = performance.now()
    const lost = setTimeout(() => {
      if (isMuteSince(start, connection) && isHeardElsewhere(start, connection)) end(connection)
    }, silentLinkMs / 6).unref()
    const isSilent = await isSilentAfterPing(connection, start).finally(() => clearTimeout(lost))
    if (isSilent) end(connection)
  }

  function end(connection: Connection): void {
    if (connection.status === 'open') connection.abort(new Error('the other end has fallen silent'))
  }

  function isMuteSince(start: number, connection: Connection): boolean {
    return signsOfLife.heardAt(connection) <= start
  }

  function isHeardElsewhere(start: number, { remotePeer }: Connection): boolean {
    return connections().some((other) => other.remotePeer.equals(remotePeer) && !isMuteSince(start, other))
  }

  async function isSilentAfterPing(connection: Connection, start: number): Promise<boolean> {
    using deadline = createDeadline(Math.round((silentLinkMs * 2) / 3), [stopping.signal])
    try {
      connection.rtt = await pingOver(connection, deadline.signal)
      return false
    } catch {
      // A peer that refuses the ping is alive. One whose pings all fail at once, and of which nothing else comes, is not.
      const isSilent = deadline.isOver || performance.now() - signsOfLife.heardAt(connection) > silentLinkMs
      return !stopping.signal.aborted && isMuteSince(start, connection) && isSilent
    }
  }

  return {
    start() {
      if (timer !== undefined) return
      stopping = new AbortController()
      timer = setInterval(look, silentLinkMs / 3).unref()
    },
    async stop() {
      clearInterval(timer)
      timer = undefined
      stopping.abort(new Error('the node was stopped'))
      await Promise.all(pinged.values())
    },
  }
}
