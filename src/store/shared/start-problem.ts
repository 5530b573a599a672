import { StoreUnavailable } from '../../errors.ts'
import { ownCommand } from '../../lib/own-command.ts'
import { roomToStart, StartupError } from '../../lib/startup-error.ts'
import { isPostgres, sqlitePath } from '../database-url.ts'
import { stateCodeOf } from './unavailable.ts'

const restore = ownCommand('database restore <file>')

/** What an operator has to fix before the database can be opened, by SQLite's primary result code. */
const sqliteFixes: Record<number, string> = {
  5: 'another program has locked it: stop that program',
  8: 'make the user of the gateway the owner of the file and its directory',
  10: 'the disk fails to read or write it: see the system log',
  11: `it is damaged: restore a backup (${restore})`,
  13: `the disk is full and its reserve is used up: ${roomToStart}`,
  14: 'make the user of the gateway the owner of the file and its directory',
  26: `it is not a SQLite database, or is damaged: restore a backup (${restore}), or move it away`,
}

/** The same, by PostgreSQL's SQLSTATE. */
const postgresFixes: Record<string, string> = {
  '28000': 'allow the user in pg_hba.conf, or use another user',
  '28P01': 'correct the user or the password',
  '3D000': 'create the database, or correct its name',
  '25006': 'it is read-only: point the URL at the primary, or make it writable',
  '42501': 'grant the user the required privileges: CREATE and USAGE on the schema public, TEMPORARY on the database',
  '53100': 'its disk is full: free some space',
  '53300': 'it has no free connection: raise max_connections, or close some',
}
const insufficientPrivilege = '42501'

/**
 * Turns the error of a database that could not be opened into a sentence for the operator; other errors stay as they
 * are.
 */
export function databaseStartProblem(url: string, error: unknown): unknown {
  if (error instanceof StartupError) return error
  const code = stateCodeOf(rootOf(error)) ?? sqlStateOf(error)
  if (!(error instanceof StoreUnavailable) && code !== insufficientPrivilege) return error
  const cause = rootOf(error)
  const said =
    cause instanceof Error ? (cause instanceof AggregateError ? cause.errors.map(String).join('; ') : cause.message) : String(cause)
  const fix = isPostgres(url)
    ? (postgresFixes[String(code)] ?? 'start it, or correct the URL')
    : (sqliteFixes[Number(code)] ?? 'check the file')
  return new StartupError(`The database ${nameOf(url)} can't be used (${said}). To fix this, ${fix} (DATABASE_URL).`, { cause: error })
}

/** The URL's target, without the password. */
function nameOf(url: string): string {
  if (!isPostgres(url)) return sqlitePath(url)
  const { host, pathname, username } = new URL(url)
  return `${username === '' ? '' : `${username}@`}${host}${pathname}`
}

/** The driver's original error. */
function rootOf(error: unknown): unknown {
  return error instanceof StoreUnavailable && error.cause !== undefined ? rootOf(error.cause) : error
}

function sqlStateOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  if ('code' in error && error.code === insufficientPrivilege) return insufficientPrivilege
  return sqlStateOf(error.cause)
}
