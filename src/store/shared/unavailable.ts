import { DatabaseDamaged, DatabaseFull, DatabaseGone, DatabaseReadOnly, StoreUnavailable } from '../../errors.ts'

/** Milliseconds after which a client may retry; in most cases an operator has to act first. */
const retryAfterMs = 5_000

/**
 * SQLite's result codes (https://www.sqlite.org/rescode.html) that describe the state of the database, not of the
 * statement: busy, locked, out of memory, read-only, I/O error, corrupt, full, can't be opened, locking protocol, not a
 * database.
 */
const stateCodes = new Set([5, 6, 7, 8, 10, 11, 13, 14, 15, 26])

/** SQLITE_FULL, and SQLITE_IOERR_SHMSIZE. */
const fullCode = 13
const shmSizeCode = 4_874
/** No space: `FULL`; disk_full, and configuration_limit_exceeded. */
const fullCodes = new Set<number | string>([fullCode, '53100', '53400'])
/** Code of the Prisma error that wraps an error thrown by our file check inside Prisma's adapter. */
const goneCode = 'database_gone'
/** Pages differ from what the database wrote: `CORRUPT`, `NOTADB`; data_corrupted, index_corrupted. */
const damagedCodes = new Set<number | string>([11, 26, 'XX001', 'XX002'])
/** Read-only: `READONLY`; read_only_sql_transaction, as on a standby. */
const readOnlyCodes = new Set<number | string>([8, '25006'])

/**
 * PostgreSQL's codes (its manual, appendix A) of the same kind: connection, authorization, no such database, rollback
 * by conflict, resources, interventions, system, configuration, internal; read-only, lock not available, too complex,
 * idle in a transaction.
 */
const sqlStates = /^(08...|28...|3D...|40...|53...|57...|58...|F0...|XX...|25006|25P03|54000|55P03)$/

/** System calls of a socket whose errors are connection errors. */
const socketCalls = new Set(['connect', 'getaddrinfo', 'read', 'write', 'shutdown'])

/** Messages of PostgreSQL's driver, and kinds of Prisma errors, for a broken connection. */
const brokenConnection =
  /Connection terminated|connection timeout|trying to connect|Query read timeout|not queryable|after calling end|Client was closed/
const brokenKinds = new Set([
  'SocketTimeout',
  'ConnectionClosed',
  'DatabaseNotReachable',
  'DatabaseDoesNotExist',
  'DatabaseAccessDenied',
  'AuthenticationFailed',
  'TlsConnectionError',
  'TooManyConnections',
  'TransactionWriteConflict',
])

/**
 * Translates an error that means the database is unusable into the contract's error, without internal detail. Other
 * errors stay as they are.
 */
export function asUnavailable(error: unknown): unknown {
  if (error instanceof StoreUnavailable) return error
  const code = stateCodeOf(error)
  if (code === undefined) return error
  const options = { cause: error, retryAfterMs }
  if (fullCodes.has(code)) return new DatabaseFull('The database has no space for this write. Reads still work.', options)
  if (code === goneCode) return new DatabaseGone('Files of this gateway were deleted or replaced while it was running.', options)
  if (readOnlyCodes.has(code)) return new DatabaseReadOnly('The database is read-only at the moment. Reads still work.', options)
  if (damagedCodes.has(code)) return databaseDamaged(error)
  return new StoreUnavailable('The database is unavailable at the moment.', options)
}

/** @param cause what the database, or a check of its rows, has found */
export function databaseDamaged(cause: unknown): DatabaseDamaged {
  return new DatabaseDamaged('Pages of the database are damaged. Its operator has to act.', { cause, retryAfterMs })
}

/** Runs synchronous work on the database. @throws StoreUnavailable */
export function attempt<Result>(work: () => Result): Result {
  try {
    return work()
  } catch (error) {
    throw asUnavailable(error)
  }
}

/** `attempt` for asynchronous work. */
export async function attemptAsync<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    throw asUnavailable(error)
  }
}

/**
 * SQLite's primary result code or PostgreSQL's SQLSTATE when an error means that the database can't be used, '' when it
 * has no code, undefined for other errors.
 *
 * SQLite's errors have `errcode`, PostgreSQL's `severity` and `code`, those of sockets a `syscall`. Prisma wraps them
 * as `meta.driverAdapterError`, whose cause has `extendedCode`, or `severity` and `code`, or a `kind`.
 */
export function stateCodeOf(error: unknown): number | string | undefined {
  if (typeof error !== 'object' || error === null) return undefined
  for (const code of ['errcode' in error && error.errcode, 'extendedCode' in error && error.extendedCode]) {
    const primary = typeof code === 'number' ? primaryCode(code) : undefined
    if (primary !== undefined && stateCodes.has(primary)) return primary
  }
  if ('code' in error && typeof error.code === 'string') {
    if (error.code === goneCode) return goneCode
    if ('severity' in error && sqlStates.test(error.code)) return error.code
    if ('syscall' in error && socketCalls.has(String(error.syscall))) return ''
  }
  if ('kind' in error && typeof error.kind === 'string' && brokenKinds.has(error.kind)) return ''
  if (error instanceof Error && brokenConnection.test(error.message)) return ''
  const inner = [
    ...(error instanceof AggregateError ? error.errors : []),
    'meta' in error && typeof error.meta === 'object' && error.meta !== null && 'driverAdapterError' in error.meta
      ? error.meta.driverAdapterError
      : undefined,
    'cause' in error ? error.cause : undefined,
  ]
  return inner.map(stateCodeOf).find((code) => code !== undefined)
}

/** The last byte of an extended code. A WAL index that can't grow means a full disk, whatever the primary code. */
function primaryCode(code: number): number {
  return code === shmSizeCode ? fullCode : code & 0xff
}
