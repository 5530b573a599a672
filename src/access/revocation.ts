import type { Logger } from 'pino'

/** Ends what tokens and sessions that are gone have left: streams and joined topics. */
export interface Revocation {
  /** Tokens or sessions may be gone. */
  changed(): void
  /** A stream was opened, perhaps by who was let in before a change and was on the way meanwhile. */
  opened(): void
}

/** Milliseconds that a stream takes at most from the look at its token until it is open: a request has this time to arrive. */
const onTheWayMs = 60_000

/** @param components.end ends whatever belongs to none that is there */
export function createRevocation(components: { end(): Promise<void>; logger: Logger; now?: () => number }): Revocation {
  const { end, logger, now = () => performance.now() } = components
  let changedAt = Number.NEGATIVE_INFINITY
  let isAsked = false
  let isEnding = false

  /** One at a time, and once more when it was asked for meanwhile. */
  async function run(): Promise<void> {
    if (isEnding) return
    isEnding = true
    while (isAsked) {
      isAsked = false
      await end().catch((err: unknown) => logger.error({ err }, 'streams and joins whose tokens may have been revoked could not be ended'))
    }
    isEnding = false
  }

  return {
    changed() {
      changedAt = now()
      isAsked = true
      void run()
    },
    opened() {
      if (now() - changedAt >= onTheWayMs) return
      isAsked = true
      void run()
    },
  }
}
