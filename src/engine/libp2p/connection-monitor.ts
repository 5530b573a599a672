import type { Connection } from '@libp2p/interface'
import { createDeadline } from '../../lib/deadline.ts'
import type { Limits } from '../../limits.ts'
import { createSilence, type Silence } from '../silence.ts'
import { pingOver } from './ping.ts'
import type { SignsOfLife } from './signs-of-life.ts'

/**
 * Closes connections whose other end has fallen silent, and measures the round trip of the others. libp2p's own monitor
 * closes a connection as soon as a ping on it fails. But peers refuse pings on connections that work: go-libp2p takes
 * two at a time from a peer, however many connections there are, and rust-libp2p gives up one when another begins. So a
 * refused ping ends none. A connection that stays mute while the peer is heard on another one has lost its way, and
 * ends sooner; a relayed one only if the peer is heard through a relay: it is slower than a direct one, and the peer's
 * gossip is still on its way there when a direct one opens. Looks are counted, not the time (silence.ts).
 */
export interface ConnectionMonitor {
  start(): void
  stop(): Promise<void>
}

/** Looks in `silentLinkMs`, and those in a row without a sign of life that end a connection. It is pinged at each. */
const looksPerSilence = 4
const maxSilentLooks = 3
/** Looks in `silentLinkMs` at a connection whose ping waits for its answer, and those that end it for a lost way. */
const looksPerPing = 12
const maxMuteLooks = 2

export function createConnectionMonitor(
  init: { limits: Pick<Limits, 'silentLinkMs'> },
  components: { connections(): Connection[]; signsOfLife: Pick<SignsOfLife, 'heardAt'> },
): ConnectionMonitor {
  const { silentLinkMs } = init.limits
  const { connections, signsOfLife } = components
  const pinged = new Map<Connection, Promise<void>>()
  const silences = new WeakMap<Connection, Silence>()
  let stopping = new AbortController()
  let timer: NodeJS.Timeout | undefined

  function look(): void {
    for (const connection of connections()) {
      if (connection.status !== 'open') continue
      if (silenceOf(connection).look() >= maxSilentLooks) end(connection)
      else if (!pinged.has(connection)) {
        pinged.set(
          connection,
          ping(connection).finally(() => pinged.delete(connection)),
        )
      }
    }
  }

  function silenceOf(connection: Connection): Silence {
    const known = silences.get(connection)
    const silence = known ?? createSilence(() => signsOfLife.heardAt(connection))
    if (known === undefined) silences.set(connection, silence)
    return silence
  }

  async function ping(connection: Connection): Promise<void> {
    const start = performance.now()
    let looks = 0
    const lost = setInterval(() => {
      if (++looks >= maxMuteLooks && isMuteSince(start, connection) && isHeardElsewhere(start, connection)) end(connection)
    }, silentLinkMs / looksPerPing).unref()
    using deadline = createDeadline(Math.round((silentLinkMs * 2) / 3), [stopping.signal])
    try {
      connection.rtt = await pingOver(connection, deadline.signal)
    } catch {
      // A peer that refuses the ping is alive, and any sign of life counts.
    } finally {
      clearInterval(lost)
    }
  }

  function end(connection: Connection): void {
    if (connection.status === 'open') connection.abort(new Error('the other end has fallen silent'))
  }

  function isMuteSince(start: number, connection: Connection): boolean {
    return signsOfLife.heardAt(connection) <= start
  }

  function isHeardElsewhere(start: number, { remotePeer, direct }: Connection): boolean {
    const comparable = connections().filter((other) => other.remotePeer.equals(remotePeer) && (direct || !other.direct))
    return comparable.some((other) => !isMuteSince(start, other))
  }

  return {
    start() {
      if (timer !== undefined) return
      stopping = new AbortController()
      timer = setInterval(look, silentLinkMs / looksPerSilence).unref()
    },
    async stop() {
      clearInterval(timer)
      timer = undefined
      stopping.abort(new Error('the node was stopped'))
      await Promise.all(pinged.values())
    },
  }
}
