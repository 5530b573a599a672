import type { Logger } from 'pino'

/** Something that runs between a start and a stop. A failed start leaves nothing behind; a stop is idempotent. */
export interface Part {
  name: string
  start?(): Promise<void>
  stop?(): Promise<void>
}

/** Starts parts in order and stops them in reverse, each after the one that uses it. */
export interface Lifecycle {
  /** A part that fails stops those before it, and its error is thrown. */
  start(): Promise<void>
  /** Stops everything that had started, also when one part fails to stop; then throws an AggregateError of what failed. */
  stop(): Promise<void>
}

export function createLifecycle(parts: Part[], logger: Logger): Lifecycle {
  const started: Part[] = []
  let stopping: Promise<void> | undefined

  async function stopStarted(): Promise<void> {
    const failures: unknown[] = []
    for (let part = started.pop(); part !== undefined; part = started.pop()) {
      try {
        await part.stop?.()
        logger.debug({ part: part.name }, 'stopped')
      } catch (error) {
        failures.push(error)
        logger.error({ err: error, part: part.name }, 'a part failed to stop')
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, 'not everything stopped cleanly')
  }

  return {
    async start() {
      for (const part of parts) {
        try {
          await part.start?.()
          started.push(part)
          logger.debug({ part: part.name }, 'started')
        } catch (error) {
          await stopStarted().catch(() => undefined)
          throw error
        }
      }
    },
    stop() {
      stopping ??= stopStarted()
      return stopping
    },
  }
}
