import type { Logger } from 'pino'
import type { LogStore } from '../store/log-store.ts'

/** Notes the ids of refused messages, in batches, so that none is judged again when another peer delivers it. */
export interface RefusedIds {
  /** The note may be lost in a crash shortly after, or when the buffer is full: the message is then judged again. */
  add(id: string): void
  /** Whether the id is not written to the log yet. */
  has(id: string): boolean
  /** Writes the buffered ids. */
  stop(): Promise<void>
}

/** Maximum number of buffered ids, and the milliseconds for which they are gathered. */
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
    await log.refuse([...beingWritten], now()).catch((err: unknown) => logger.warn({ err }, 'could not note the ids of refused messages'))
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
