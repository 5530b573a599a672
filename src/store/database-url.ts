import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

/** What is wrong with a database URL, as the end of a sentence, or undefined. */
export function databaseUrlProblem(url: string): string | undefined {
  if (/^postgres(ql)?:/.test(url)) {
    return 'asks for PostgreSQL, which this version does not have yet; use SQLite, as in file:./data/peergate.db'
  }
  if (/^file:(\/\/\/|(?!\/\/)).+/.test(url)) return undefined
  return 'is not a database URL; SQLite is file:<path>, as in file:./data/peergate.db'
}

/** The file of an SQLite URL, `file:<path>` relative to the working directory or `file:///<path>`. */
export function sqlitePath(url: string): string {
  return url.startsWith('file://') ? fileURLToPath(url) : resolve(url.slice('file:'.length))
}
