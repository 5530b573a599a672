import { Worker } from 'node:worker_threads'
import type { Logger } from 'pino'
import type { SqliteDatabase } from './database.ts'

/**
 * Has the WAL copied into the database by another thread, so that the event loop does not wait for it: 16 MiB take a tenth
 * of a second. The thread can't finish while commits go on. The writer's own checkpoint (`wal_autocheckpoint`) comes at
 * twice as many pages, copies the rest, which is little, and lets the WAL begin anew.
 */
export interface Checkpointer {
  /** Has the WAL copied if it has grown enough. Call it after commits. Once the thread has failed, it does nothing. */
  look(): void
  close(): Promise<void>
}

/** Milliseconds between two looks. */
const lookMs = 50
/** Milliseconds without work after which the thread ends: it holds some megabytes. */
const idleMs = 60_000
const resourceLimits = { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 16 }

/** @param init.pages pages of the WAL that are not in the database yet, from which it is copied */
export function createCheckpointer(
  init: { path: string; pages: number },
  components: { writer: Pick<SqliteDatabase, 'row'>; logger: Logger; now?: () => number },
): Checkpointer {
  const { path, pages } = init
  const { writer, logger, now = () => performance.now() } = components
  let thread: Worker | undefined
  let isCopying = false
  /** It was closed, or its thread has failed. */
  let isOver = false
  let lookedAt = Number.NEGATIVE_INFINITY
  const idle = setTimeout(() => void end(), idleMs).unref()

  function isDue(): boolean {
    const { log, checkpointed } = writer.row('PRAGMA wal_checkpoint(NOOP)') ?? {}
    return Number(log) - Number(checkpointed) >= pages
  }

  function startThread(): Worker {
    const started = new Worker(new URL('./checkpoint-worker.ts', import.meta.url), { workerData: path, resourceLimits })
    started.unref()
    started.on('message', () => {
      isCopying = false
    })
    started.on('error', (err) => {
      isOver = true
      logger.warn({ err }, 'the thread that copies the WAL has failed: from now on commits copy it')
    })
    started.once('exit', () => {
      if (thread !== started) return
      thread = undefined
      isCopying = false
    })
    return started
  }

  async function end(): Promise<void> {
    const ending = thread
    if (ending === undefined) return
    const ended = Promise.withResolvers<void>()
    ending.once('exit', () => ended.resolve())
    ending.ref()
    ending.postMessage('end')
    await ended.promise
  }

  return {
    look() {
      const time = now()
      if (isOver || isCopying || time - lookedAt < lookMs) return
      lookedAt = time
      if (!isDue()) return
      thread ??= startThread()
      idle.refresh()
      isCopying = true
      thread.postMessage('copy')
    },
    async close() {
      isOver = true
      clearTimeout(idle)
      await end()
    },
  }
}
