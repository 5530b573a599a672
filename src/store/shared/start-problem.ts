import { StoreUnavailable } from '../../errors.ts'
import { roomToStart, StartupError } from '../../lib/startup-error.ts'
import { isPostgres, sqlitePath } from '../database-url.ts'
import { stateCodeOf } from './unavailable.ts'

/** What an operator has to mend before a database can be opened, by SQLite's primary result code. */
const sqliteFixes: Record<number, string> = {
  5: 'another program holds it: stop that',
  8: 'give the file and its directory to the user that the gateway runs as',
  10: 'the disk fails to read or write it: its log tells more',
  11: 'it is damaged: restore a backup (npm run database -- restore <file>)',
  13: `the disk is full, with no reserve left beside it: ${roomToStart}`,
  14: 'give the file and its directory to the user that the gateway runs as',
  26: 'it is no database of SQLite, or damaged: restore a backup (npm run database -- restore <file>), or move it away',
}

/** The same by PostgreSQL's SQLSTATE. */
const postgresFixes: Record<string, string> = {
  '28000': 'let the user in (pg_hba.conf), or change the user',
  '28P01': 'mend the user or the password',
  '3D000': 'create the database, or change its name',
  '25006': 'it takes no writes: let the URL lead to the primary, or have it take writes',
  '42501': 'grant the user what the gateway needs: CREATE and USAGE on the schema public, TEMPORARY on the database',
  '53100': 'its disk is full: free some space',
  '53300': 'it has no connection left: raise max_connections, or end some',
}
const insufficientPrivilege = '42501'

/** The error of a database that could not be opened, as a sentence for the operator; any other error as it is. */
export function databaseStartProblem(url: string, error: unknown): unknown {
  if (error instanceof StartupError) return error
  const code = stateCodeOf(rootOf(error)) ?? sqlStateOf(error)
  if (!(error instanceof StoreUnavailable) && code !== insufficientPrivilege) return error
  const cause = rootOf(error)
  const said =
    cause instanceof Error ? (cause instanceof AggregateError ? cause.errors.map(String).join('; ') : cause.message) : String(cause)
  const fix = isPostgres(url)
    ? (postgresFixes[String(code)] ?? 'start it, or mend where the URL leads')
    : (sqliteFixes[Number(code)] ?? 'look at the file')
  return new StartupError(`The database ${nameOf(url)} can't be used (${said}). Mend that first: ${fix} (DATABASE_URL).`, { cause: error })
}

/** Where a URL leads, without the password. */
function nameOf(url: string): string {
  if (!isPostgres(url)) return sqlitePath(url)
  const { host, pathname, username } = new URL(url)
  return `${username === '' ? '' : `${username}@`}${host}${pathname}`
}

/** The driver's own error. */
function rootOf(error: unknown): unknown {
  return error instanceof StoreUnavailable && error.cause !== undefined ? rootOf(error.cause) : error
}

function sqlStateOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  if ('code' in error && error.code === insufficientPrivilege) return insufficientPrivilege
  return sqlStateOf(error.cause)
}
