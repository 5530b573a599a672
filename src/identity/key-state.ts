import { DatabaseSync } from 'node:sqlite'
import { DatabaseFull, StoreUnavailable } from '../errors.ts'
import { roomToStart, StartupError } from '../lib/startup-error.ts'
import { IdentityInUse } from './errors.ts'

/**
 * State that belongs to a key rather than to a database: the process that uses it, and the ceiling of its sequence
 * numbers. One SQLite file in the data directory, held under an exclusive file lock, which ends with the process
 * however it ends.
 */
export interface KeyState {
  readonly ceiling: bigint
  /** Raises the ceiling; durable when it returns. @throws StoreUnavailable */
  raise(ceiling: bigint): void
  close(): void
}

/** SQLite's primary result codes. */
const sqlite = { busy: 5, readOnly: 8, corrupt: 11, full: 13, cantOpen: 14, notADatabase: 26 } as const
/** Milliseconds after which a client may retry. */
const retryAfterMs = 5_000

/**
 * @throws IdentityInUse when another process holds it
 * @throws StartupError when it can't be read or written, or is damaged
 */
export function openKeyState(path: string): KeyState {
  const database = open(path)
  // The journal keeps its space on disk, so that numbers can still be assigned when the disk is full.
  const prepare = `PRAGMA journal_mode = PERSIST; PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL; BEGIN EXCLUSIVE;
    CREATE TABLE IF NOT EXISTS sequence (id INTEGER PRIMARY KEY CHECK (id = 1), ceiling INTEGER NOT NULL);
    INSERT OR IGNORE INTO sequence VALUES (1, 0); COMMIT`
  try {
    database.exec(prepare)
    const row = database.prepare('SELECT ceiling FROM sequence').get()
    return stateOf(database, typeof row?.['ceiling'] === 'bigint' ? row['ceiling'] : 0n)
  } catch (cause) {
    database.close()
    throw startProblem(path, cause)
  }
}

function open(path: string): DatabaseSync {
  try {
    return new DatabaseSync(path, { timeout: 0, readBigInts: true })
  } catch (cause) {
    throw startProblem(path, cause)
  }
}

function stateOf(database: DatabaseSync, found: bigint): KeyState {
  const update = database.prepare('UPDATE sequence SET ceiling = ?')
  let ceiling = found
  return {
    get ceiling() {
      return ceiling
    },
    raise(to) {
      try {
        update.run(to)
      } catch (cause) {
        const options = { cause, retryAfterMs }
        if (codeOf(cause) === sqlite.full) throw new DatabaseFull('The disk of the data directory is full.', options)
        throw new StoreUnavailable('The sequence number could not be saved in the data directory.', options)
      }
      ceiling = to
    },
    close() {
      if (database.isOpen) database.close()
    },
  }
}

function startProblem(path: string, cause: unknown): unknown {
  switch (codeOf(cause)) {
    case sqlite.busy:
      return new IdentityInUse(
        `Another running gateway uses the key with the state file ${path}. Stop it, or give this gateway its own key with PEERGATE_DATA_DIR or PEERGATE_KEY_FILE.`,
        { cause },
      )
    case sqlite.readOnly:
    case sqlite.cantOpen:
      return new StartupError(
        `The key's state file ${path} can't be written. Make the gateway's user the owner of the file and its directory (PEERGATE_DATA_DIR).`,
        { cause },
      )
    case sqlite.corrupt:
    case sqlite.notADatabase:
      return new StartupError(
        `The key's state file ${path} is damaged. Move it away: sequence numbers then continue from the clock, which must not be behind.`,
        { cause },
      )
    case sqlite.full:
      return new StartupError(`The key's state file ${path} can't be created because the disk is full. To fix this, ${roomToStart}.`, {
        cause,
      })
    default:
      return cause
  }
}

/** The primary code is the last byte of an extended code. */
function codeOf(error: unknown): number | undefined {
  return error instanceof Error && 'errcode' in error && typeof error.errcode === 'number' ? error.errcode & 0xff : undefined
}
