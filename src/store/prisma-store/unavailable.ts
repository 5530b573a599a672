import { StoreUnavailable } from '../../errors.ts'

/** Milliseconds after which a client may try again; an operator has to act in most cases. */
const retryAfterMs = 5_000

/**
 * SQLite's result codes (https://www.sqlite.org/rescode.html) that say something of the database's state, not of the statement: busy,
 * locked, out of memory, read-only, I/O error, corrupt, full, can't be opened, locking protocol, not a database.
 */
const stateCodes = new Set([5, 6, 7, 8, 10, 11, 13, 14, 15, 26])

/**
 * PostgreSQL's codes (its manual, appendix A) of the same kind: connection, authorization, no such database, rollback by conflict,
 * resources, interventions, system, configuration, internal; read-only, lock not available, too complex, idle in a transaction.
 */
const sqlStates = /^(08...|28...|3D...|40...|53...|57...|58...|F0...|XX...|25006|25P03|54000|55P03)$/

/** Calls of a socket whose errors are the connection's. */
const socketCalls = new Set(['connect', 'getaddrinfo', 'read', 'write', 'shutdown'])

/** What the driver of PostgreSQL says of a connection, and Prisma of the same. */
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

/** The same error, unless the database could not be used: the contract's word for that, whose detail says nothing of the inside. */
export function asUnavailable(error: unknown): unknown {
  if (error instanceof StoreUnavailable || !saysUnusable(error)) return error
  return new StoreUnavailable('The database can not be used at the moment.', { cause: error, retryAfterMs })
}

/** Runs what uses the database. @throws StoreUnavailable */
export function attempt<Result>(work: () => Result): Result {
  try {
    return work()
  } catch (error) {
    throw asUnavailable(error)
  }
}

/** The same for what answers later. */
export async function attemptAsync<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    throw asUnavailable(error)
  }
}

/**
 * SQLite's errors have `errcode`, PostgreSQL's `severity` and `code`, those of sockets a `syscall`. Prisma wraps them as
 * `meta.driverAdapterError`, whose cause has `extendedCode`, or `severity` and `code`, or a `kind`.
 */
function saysUnusable(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false
  if ('errcode' in error && isStateCode(error.errcode)) return true
  if ('extendedCode' in error && isStateCode(error.extendedCode)) return true
  if ('kind' in error && typeof error.kind === 'string' && brokenKinds.has(error.kind)) return true
  if ('code' in error && typeof error.code === 'string') {
    if ('severity' in error ? sqlStates.test(error.code) : 'syscall' in error && socketCalls.has(String(error.syscall))) return true
  }
  if (error instanceof Error && brokenConnection.test(error.message)) return true
  if (error instanceof AggregateError && error.errors.some(saysUnusable)) return true
  if ('meta' in error && typeof error.meta === 'object' && error.meta !== null && 'driverAdapterError' in error.meta)
    return saysUnusable(error.meta.driverAdapterError)
  return 'cause' in error && saysUnusable(error.cause)
}

/** The primary code is the last byte of an extended one. */
function isStateCode(code: unknown): boolean {
  return typeof code === 'number' && stateCodes.has(code & 0xff)
}
