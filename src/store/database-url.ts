import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The problem with a database URL, as the end of a sentence; undefined for a valid URL. */
export function databaseUrlProblem(url: string): string | undefined {
  if (isPostgres(url)) return postgresProblem(url)
  if (/^file:(\/\/\/|(?!\/\/)).+/.test(url)) return undefined
  return 'is not a database URL. SQLite: file:<path>, such as file:./data/peergate.db. PostgreSQL: postgresql://<user>@<host>/<database>'
}

export function isPostgres(url: string): boolean {
  return /^postgres(ql)?:/.test(url)
}

function postgresProblem(url: string): string | undefined {
  if (!URL.canParse(url)) return 'is not a valid URL. PostgreSQL: postgresql://<user>:<password>@<host>:<port>/<database>'
  const { pathname, searchParams } = new URL(url)
  if (pathname.length < 2) return 'names no database. PostgreSQL: postgresql://<user>:<password>@<host>:<port>/<database>'
  const schema = searchParams.get('schema') ?? 'public'
  if (schema !== 'public') return `names the schema "${schema}", but only "public" is supported: use a separate database`
  return undefined
}

/** The file of a SQLite URL: `file:<path>`, relative to the working directory, or `file:///<path>`. */
export function sqlitePath(url: string): string {
  return url.startsWith('file://') ? fileURLToPath(url) : resolve(url.slice('file:'.length))
}
