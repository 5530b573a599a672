import type { Logger } from 'pino'
import type { LogStore } from '../store/log-store.ts'

/** Notes the ids of messages that were not wanted, many at a time, so that none is judged again when another peer brings it. */
export interface RefusedIds {
  /** May be lost in a crash that follows at once, or when too many wait: then the message is judged again. */
  add(id: string): void
  /** Whether it waits to be written, and the log does not know it yet. */
  has(id: string): boolean
  /** Writes what waits. */
  stop(): Promise<void>
}

/** Ids that wait to be written, and milliseconds that they are gathered for. */
const maxWaiting = 10_000
const gatherMs = 500

export function createRefusedIds(components: { log: Pick<LogStore, 'refuse'>; logger: Logger; now(): number }): RefusedIds {
  const { log, logger, now } = components
  let waiting = new Set<string>()
  let beingWritten = new Set<string>()
  let timer: NodeJS.Timeout | undefined
  let writing: Promise<void> = Promise.resolve()

  async function write(): Promise<void> {
    timer = undefined
    if (waiting.size === 0) return
    beingWritten = waiting
    waiting = new Set()
    await log
      .refuse([...beingWritten], now())
      .catch((err: unknown) => logger.warn({ err }, 'which messages were not wanted could not be noted'))
    beingWritten = new Set()
  }

  return {
    add(id) {
      if (waiting.size < maxWaiting) waiting.add(id)
      timer ??= setTimeout(() => {
        writing = writing.then(write)
      }, gatherMs)
    },
    has: (id) => waiting.has(id) || beingWritten.has(id),
    async stop() {
      clearTimeout(timer)
      writing = writing.then(write)
      await writing
    },
  }
}
