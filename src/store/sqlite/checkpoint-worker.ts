import { DatabaseSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'

/**
 * A thread that copies the WAL into the database whenever it is sent `copy`, and answers when it has; it ends with `end`
 * (checkpointer.ts).
 */
const database = new DatabaseSync(String(workerData))
database.exec('PRAGMA synchronous = FULL')

parentPort?.on('message', (order: 'copy' | 'end') => {
  if (order === 'end') {
    database.close()
    parentPort?.close()
    return
  }
  try {
    // Passive: it waits for nobody, and nobody waits for it (https://www.sqlite.org/pragma.html#pragma_wal_checkpoint).
    database.exec('PRAGMA wal_checkpoint(PASSIVE)')
  } catch {
    // The writer meets the same when it copies, and makes room or reports it.
  }
  parentPort?.postMessage('copied')
})
