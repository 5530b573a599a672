import type { Connection } from '@libp2p/interface'
import type { Logger } from 'pino'
import { createDeadline } from '../../lib/deadline.ts'
import { openFor } from './transport/open-for.ts'

/**
 * Repeats identify on connections where the peer has not answered it. libp2p asks once, when a connection opens; if the
 * answer is late on a busy machine, the peer's protocols stay unknown for good
 * (https://github.com/libp2p/specs/blob/master/identify/README.md). On a further connection to a known peer, no upgrade
 * of a relayed one begins, and no direct one takes its place.
 */
export interface IdentifyAgain {
  start(): void
  stop(): void
}

/** Milliseconds between two checks, and after which an answer is late. */
const lookMs = 5_000
/** Maximum attempts: a peer may refuse to answer. */
const maxAttempts = 5

export function createIdentifyAgain(components: {
  connections(): Connection[]
  isIdentified(connection: Connection): boolean
  identify(connection: Connection, signal: AbortSignal): Promise<unknown>
  logger: Logger
}): IdentifyAgain {
  const { connections, isIdentified, identify, logger } = components
  const attempts = new WeakMap<Connection, number>()
  let timer: NodeJS.Timeout | undefined

  async function identifyInTime(connection: Connection): Promise<void> {
    using deadline = createDeadline(lookMs, [])
    await identify(connection, deadline.signal)
  }

  function look(): void {
    const late = connections().filter(
      (connection) =>
        connection.status === 'open' &&
        openFor(connection) > lookMs &&
        !isIdentified(connection) &&
        (attempts.get(connection) ?? 0) < maxAttempts,
    )
    for (const connection of late) {
      attempts.set(connection, (attempts.get(connection) ?? 0) + 1)
      identifyInTime(connection).catch((err: unknown) => logger.debug({ err }, 'a peer did not identify itself'))
    }
  }

  return {
    start() {
      timer ??= setInterval(look, lookMs).unref()
    },
    stop() {
      clearInterval(timer)
      timer = undefined
    },
  }
}
