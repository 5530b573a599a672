import type { Logger } from 'pino'

/**
 * Ends the process on a signal: the first one stops the gateway under a deadline, a second one ends it at once. What was acknowledged
 * is durable either way; the orderly way also finishes what is in flight.
 */
export function createShutdown(
  init: { deadlineMs: number },
  components: { stop(): Promise<void>; exit(code: number): void; log: Logger },
): (reason: string) => void {
  const { stop, exit, log } = components
  let stopping = false

  return (reason) => {
    if (stopping) {
      log.warn({ reason }, 'second signal: ending at once')
      return exit(1)
    }
    stopping = true
    log.info({ reason, deadlineMs: init.deadlineMs }, 'shutting down')
    const deadline = setTimeout(() => {
      log.error('the shutdown took too long: ending at once')
      exit(1)
    }, init.deadlineMs)
    stop().then(
      () => {
        clearTimeout(deadline)
        log.info('stopped')
        exit(0)
      },
      () => exit(1),
    )
  }
}
