import type { Logger } from 'pino'
import { createWriteBehind } from '../lib/write-behind.ts'
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

  const writes = createWriteBehind(
    { delayMs: gatherMs },
    { write, onError: (err) => logger.warn({ err }, 'could not note the ids of refused messages') },
  )

  async function write(): Promise<void> {
    if (waiting.size === 0) return
    beingWritten = waiting
    waiting = new Set()
    try {
      await log.refuse([...beingWritten], now())
    } finally {
      beingWritten = new Set()
    }
  }

  return {
    add(id) {
      if (waiting.size < maxWaiting) waiting.add(id)
      writes.later()
    },
    has: (id) => waiting.has(id) || beingWritten.has(id),
    stop: writes.flush,
  }
}
