import type { Logger } from 'pino'

/** A part that runs between a start and a stop. A failed start leaves nothing running. A stop is idempotent. */
export interface Part {
  name: string
  start?(): Promise<void>
  stop?(): Promise<void>
}

/** Starts parts in order and stops them in reverse order. */
export interface Lifecycle {
  /** If a part fails to start, stops those before it and throws its error. */
  start(): Promise<void>
  /** Stops all started parts, even if one fails to stop. Then throws an AggregateError of the failures. */
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
    if (failures.length > 0) throw new AggregateError(failures, 'some parts failed to stop')
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
