import { DatabaseSync } from 'node:sqlite'
import { IdentityInUse } from './errors.ts'

/**
 * What belongs to a key rather than to a database: who uses it now, and how far its sequence numbers may have gone. One SQLite file
 * beside the key, held under an exclusive file lock, which ends with the process however it ends.
 */
export interface KeyState {
  readonly ceiling: bigint
  /** Durable when it returns. */
  raise(ceiling: bigint): void
  close(): void
}

/** @throws IdentityInUse when another process holds it */
export function openKeyState(path: string): KeyState {
  const database = new DatabaseSync(path, { timeout: 0, readBigInts: true })
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL; BEGIN EXCLUSIVE')
    database.exec('CREATE TABLE IF NOT EXISTS sequence (id INTEGER PRIMARY KEY CHECK (id = 1), ceiling INTEGER NOT NULL)')
    database.exec('INSERT OR IGNORE INTO sequence VALUES (1, 0); COMMIT')
  } catch (cause) {
    database.close()
    if (!(cause instanceof Error && 'errcode' in cause && cause.errcode === sqliteBusy)) throw cause
    throw new IdentityInUse(
      `Another running gateway uses the key beside ${path}. Stop it, or give this one its own with PEERGATE_DATA_DIR or PEERGATE_KEY_FILE.`,
      { cause },
    )
  }
  const update = database.prepare('UPDATE sequence SET ceiling = ?')
  const row = database.prepare('SELECT ceiling FROM sequence').get()
  let ceiling = typeof row?.ceiling === 'bigint' ? row.ceiling : 0n
  return {
    get ceiling() {
      return ceiling
    },
    raise(to) {
      update.run(to)
      ceiling = to
    },
    close() {
      if (database.isOpen) database.close()
    },
  }
}

const sqliteBusy = 5
