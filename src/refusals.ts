import type { Logger } from 'pino'
import type { LogStore } from './store/store.ts'

/** Notes the ids of messages that were not wanted, many at a time, so that none is judged again when another peer brings it. */
export interface Refusals {
  /** May be lost in a crash that follows at once, or when too many wait: then the message is judged again. */
  add(id: string): void
  /** Writes what waits. */
  stop(): Promise<void>
}

/** Ids that wait to be written, and milliseconds that they are gathered for. */
const maxWaiting = 10_000
const gatherMs = 500

export function createRefusals(components: { log: Pick<LogStore, 'refuse'>; logger: Logger; now(): number }): Refusals {
  const { log, logger, now } = components
  let waiting: string[] = []
  let timer: NodeJS.Timeout | undefined
  let writing: Promise<void> = Promise.resolve()

  async function write(): Promise<void> {
    timer = undefined
    const ids = waiting
    waiting = []
    if (ids.length === 0) return
    await log.refuse(ids, now()).catch((err: unknown) => logger.warn({ err }, 'which messages were not wanted could not be noted'))
  }

  return {
    add(id) {
      if (waiting.length < maxWaiting) waiting.push(id)
      timer ??= setTimeout(() => {
        writing = writing.then(write)
      }, gatherMs)
    },
    async stop() {
      clearTimeout(timer)
      writing = writing.then(write)
      await writing
    },
  }
}
