import type { Logger } from 'pino'

/**
 * Ends the process on a signal. The first signal stops the gateway within a deadline, a second one exits at once.
 * Acknowledged messages are durable either way. The orderly stop also finishes pending work; the process exits with `code` after
 * it, and with 1 if it fails.
 */
export function createShutdown(
  init: { deadlineMs: number },
  components: { stop(): Promise<void>; exit(code: number): void; logger: Logger },
): (reason: string, code?: number) => void {
  const { stop, exit, logger } = components
  let stopping = false

  return (reason, code = 0) => {
    if (stopping) {
      logger.warn({ reason }, 'second signal: exiting at once')
      return exit(1)
    }
    stopping = true
    logger.info({ reason, deadlineMs: init.deadlineMs }, 'shutting down')
    const deadline = setTimeout(() => {
      logger.error('the shutdown exceeded its deadline: exiting at once')
      exit(1)
    }, init.deadlineMs)
    stop().then(
      () => {
        clearTimeout(deadline)
        logger.info('stopped')
        exit(code)
      },
      () => exit(1),
    )
  }
}
