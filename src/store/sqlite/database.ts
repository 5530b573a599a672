import { dirname } from 'node:path'
import { DatabaseSync, type SQLInputValue, type SQLOutputValue, type StatementSync } from 'node:sqlite'
import { makeDirectory } from '../../lib/startup-error.ts'
import { asUnavailable, attempt, databaseDamaged } from '../shared/unavailable.ts'
import { addFunctions } from './functions.ts'

/**
 * How long a connection waits for another one's write, in milliseconds; ours are one statement or one short transaction
 * each.
 */
export const busyTimeoutMs = 5_000

/**
 * `FULL`: a commit is on disk when it returns. `NORMAL`: a power loss may undo the last commits, newest first, until the
 * WAL is synced (wal-sync.ts).
 */
export type Synchronous = 'FULL' | 'NORMAL'

/**
 * Pragmas of every connection, Prisma's too. WAL, so that readers and the writer do not wait for each other; a
 * checkpoint every 16 MiB, because a checkpoint writes a page only once, however often it changed; a WAL that grew
 * behind a slow reader is cut back to 64 MiB.
 */
export function pragmas(synchronous: Synchronous): string {
  return `PRAGMA journal_mode = WAL; PRAGMA synchronous = ${synchronous}; PRAGMA busy_timeout = ${busyTimeoutMs};
    PRAGMA wal_autocheckpoint = 4096; PRAGMA journal_size_limit = 67108864; PRAGMA foreign_keys = ON`
}

export type Row = Record<string, SQLOutputValue>

/**
 * A connection with its prepared statements. All methods are synchronous; they throw StoreUnavailable when the database
 * can't be used, and DatabaseDamaged when it is damaged.
 */
export interface SqliteDatabase {
  run(sql: string, ...values: SQLInputValue[]): { changes: number; lastId: number }
  row(sql: string, ...values: SQLInputValue[]): Row | undefined
  /** Yields rows one by one; the loop may end early. */
  rows(sql: string, ...values: SQLInputValue[]): Iterable<Row>
  /** All rows, each as the values of its columns: the cheapest way to read many. */
  table(sql: string, ...values: SQLInputValue[]): SQLOutputValue[][]
  /** Runs `work` atomically. */
  transaction<Result>(work: () => Result): Result
  close(): void
}

export interface ConnectionOptions {
  queryOnly: boolean
  /** Told of each commit that changed something. With it a commit is not on the disk when it returns; without, it is. */
  committed?: () => void
}

export function openSqliteDatabase(path: string, { queryOnly, committed }: ConnectionOptions): SqliteDatabase {
  return attempt(() => {
    makeDirectory(dirname(path), 'DATABASE_URL')
    const database = new DatabaseSync(path, { timeout: busyTimeoutMs })
    try {
      database.exec(pragmas(committed === undefined ? 'FULL' : 'NORMAL'))
      if (queryOnly) database.exec('PRAGMA query_only = ON')
      addFunctions(database)
    } catch (error) {
      database.close()
      throw error
    }
    return wrap(database, committed)
  })
}

/**
 * The driver fails at a number beyond JavaScript's range. Such a number was not written here, so the row is damaged.
 */
function asReadError(error: unknown): unknown {
  const isTooLarge = error instanceof RangeError && 'code' in error && error.code === 'ERR_OUT_OF_RANGE'
  return isTooLarge ? databaseDamaged(error) : asUnavailable(error)
}

function wrap(database: DatabaseSync, committed: (() => void) | undefined): SqliteDatabase {
  const statements = new Map<string, StatementSync>()
  /** Those whose rows are arrays. */
  const tables = new Map<string, StatementSync>()
  const totalChanges = committed === undefined ? undefined : database.prepare('SELECT total_changes() AS total')
  /** Rows changed by this connection, those that were rolled back too. */
  let changes = 0

  function prepare(sql: string): StatementSync {
    let statement = statements.get(sql)
    if (statement === undefined) {
      statement = database.prepare(sql)
      statements.set(sql, statement)
    }
    return statement
  }

  /** Whether rows were changed since the last time that it was asked. */
  function hasChanged(): boolean {
    const before = changes
    changes = Number(totalChanges?.get()?.['total'] ?? 0)
    return changes !== before
  }

  /** Called after each statement and each transaction. */
  function noteCommit(): void {
    if (committed !== undefined && !database.isTransaction && hasChanged()) committed()
  }

  /**
   * Also called after a failed COMMIT. SQLite itself rolls back after some errors. The original error is the one to
   * report.
   */
  function rollBack(): void {
    try {
      if (database.isTransaction) database.exec('ROLLBACK')
      hasChanged()
    } catch {}
  }

  return {
    run(sql, ...values) {
      try {
        const { changes, lastInsertRowid } = prepare(sql).run(...values)
        noteCommit()
        return { changes: Number(changes), lastId: Number(lastInsertRowid) }
      } catch (error) {
        throw asUnavailable(error)
      }
    },
    row(sql, ...values) {
      try {
        const row = prepare(sql).get(...values)
        noteCommit()
        return row
      } catch (error) {
        throw asReadError(error)
      }
    },
    *rows(sql, ...values) {
      try {
        yield* prepare(sql).iterate(...values)
      } catch (error) {
        throw asReadError(error)
      } finally {
        noteCommit()
      }
    },
    table(sql, ...values) {
      try {
        let statement = tables.get(sql)
        if (statement === undefined) {
          statement = database.prepare(sql)
          statement.setReturnArrays(true)
          tables.set(sql, statement)
        }
        const rows: unknown[] = statement.all(...values)
        noteCommit()
        return rows as SQLOutputValue[][]
      } catch (error) {
        throw asReadError(error)
      }
    },
    transaction: (work) =>
      attempt(() => {
        database.exec('BEGIN IMMEDIATE')
        try {
          const result = work()
          database.exec('COMMIT')
          noteCommit()
          return result
        } catch (error) {
          rollBack()
          throw error
        }
      }),
    close() {
      if (database.isOpen) database.close()
    },
  }
}
