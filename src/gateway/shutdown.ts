import type { Logger } from 'pino'

/**
 * Ends the process on a signal: the first one stops the gateway under a deadline, a second one ends it at once. What was acknowledged
 * is durable either way; the orderly way also finishes what is in flight.
 */
export function createShutdown(
  init: { deadlineMs: number },
  components: { stop(): Promise<void>; exit(code: number): void; logger: Logger },
): (reason: string) => void {
  const { stop, exit, logger } = components
  let stopping = false

  return (reason) => {
    if (stopping) {
      logger.warn({ reason }, 'second signal: ending at once')
      return exit(1)
    }
    stopping = true
    logger.info({ reason, deadlineMs: init.deadlineMs }, 'shutting down')
    const deadline = setTimeout(() => {
      logger.error('the shutdown took too long: ending at once')
      exit(1)
    }, init.deadlineMs)
    stop().then(
      () => {
        clearTimeout(deadline)
        logger.info('stopped')
        exit(0)
      },
      () => exit(1),
    )
  }
}
