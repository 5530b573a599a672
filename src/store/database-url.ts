import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

/** What is wrong with a database URL, as the end of a sentence, or undefined. */
export function databaseUrlProblem(url: string): string | undefined {
  if (isPostgres(url)) return postgresProblem(url)
  if (/^file:(\/\/\/|(?!\/\/)).+/.test(url)) return undefined
  return 'is not a database URL; SQLite is file:<path>, as in file:./data/peergate.db, PostgreSQL is postgresql://<user>@<host>/<database>'
}

export function isPostgres(url: string): boolean {
  return /^postgres(ql)?:/.test(url)
}

function postgresProblem(url: string): string | undefined {
  if (!URL.canParse(url)) return 'is not a URL; PostgreSQL is postgresql://<user>:<password>@<host>:<port>/<database>'
  const { pathname, searchParams } = new URL(url)
  if (pathname.length < 2) return 'names no database; PostgreSQL is postgresql://<user>:<password>@<host>:<port>/<database>'
  const schema = searchParams.get('schema') ?? 'public'
  if (schema !== 'public') return `asks for the schema "${schema}"; the log lives in "public": give it a database of its own`
  return undefined
}

/** The file of an SQLite URL, `file:<path>` relative to the working directory or `file:///<path>`. */
export function sqlitePath(url: string): string {
  return url.startsWith('file://') ? fileURLToPath(url) : resolve(url.slice('file:'.length))
}
