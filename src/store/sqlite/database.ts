import { dirname } from 'node:path'
import { DatabaseSync, type SQLInputValue, type SQLOutputValue, type StatementSync } from 'node:sqlite'
import { makeDirectory } from '../../lib/startup-error.ts'
import { asUnavailable, attempt, databaseDamaged } from '../shared/unavailable.ts'

/** Milliseconds that a connection waits for another's write; ours are one statement or one short transaction each. */
export const busyTimeoutMs = 5_000

/** `FULL`: a commit is on the disk when it returns. `NORMAL`: a loss of power may take the last ones back, in their order. */
export type Synchronous = 'FULL' | 'NORMAL'

/**
 * What holds on every connection, Prisma's too. WAL, so that readers and the writer don't wait for each other; a checkpoint every 16 MiB,
 * since one writes a page that changed often only once; a WAL that a slow reader made longer is cut back to 64 MiB.
 */
export function pragmas(synchronous: Synchronous): string {
  return `PRAGMA journal_mode = WAL; PRAGMA synchronous = ${synchronous}; PRAGMA busy_timeout = ${busyTimeoutMs};
    PRAGMA wal_autocheckpoint = 4096; PRAGMA journal_size_limit = 67108864; PRAGMA foreign_keys = ON`
}

export type Row = Record<string, SQLOutputValue>

/** A connection with its prepared statements. Everything is synchronous, and throws StoreUnavailable when the database can't be
 * used, and DatabaseDamaged when it is broken. */
export interface SqliteDatabase {
  run(sql: string, ...values: SQLInputValue[]): { changes: number; lastId: number }
  row(sql: string, ...values: SQLInputValue[]): Row | undefined
  /** Rows one by one; may be left early. */
  rows(sql: string, ...values: SQLInputValue[]): Iterable<Row>
  /** All of it or nothing. */
  transaction<Result>(work: () => Result): Result
  close(): void
}

export function openSqliteDatabase(path: string, options: { queryOnly: boolean }): SqliteDatabase {
  return attempt(() => {
    makeDirectory(dirname(path), 'DATABASE_URL')
    const database = new DatabaseSync(path, { timeout: busyTimeoutMs })
    try {
      database.exec(pragmas('FULL'))
      if (options.queryOnly) database.exec('PRAGMA query_only = ON')
    } catch (error) {
      database.close()
      throw error
    }
    return wrap(database)
  })
}

/** A number that JavaScript can't hold, at which the driver fails, is none that was written here. */
function asReadError(error: unknown): unknown {
  const isTooLarge = error instanceof RangeError && 'code' in error && error.code === 'ERR_OUT_OF_RANGE'
  return isTooLarge ? databaseDamaged(error) : asUnavailable(error)
}

function wrap(database: DatabaseSync): SqliteDatabase {
  const statements = new Map<string, StatementSync>()

  function prepare(sql: string): StatementSync {
    let statement = statements.get(sql)
    if (statement === undefined) {
      statement = database.prepare(sql)
      statements.set(sql, statement)
    }
    return statement
  }

  /** Also after a failed COMMIT; SQLite itself has rolled back after some errors. The error that led here is the one to tell. */
  function rollBack(): void {
    try {
      if (database.isTransaction) database.exec('ROLLBACK')
    } catch {}
  }

  return {
    run(sql, ...values) {
      try {
        const { changes, lastInsertRowid } = prepare(sql).run(...values)
        return { changes: Number(changes), lastId: Number(lastInsertRowid) }
      } catch (error) {
        throw asUnavailable(error)
      }
    },
    row(sql, ...values) {
      try {
        return prepare(sql).get(...values)
      } catch (error) {
        throw asReadError(error)
      }
    },
    *rows(sql, ...values) {
      try {
        yield* prepare(sql).iterate(...values)
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
