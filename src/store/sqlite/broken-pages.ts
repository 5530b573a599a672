import { DatabaseSync } from 'node:sqlite'
import { busyTimeoutMs } from './database.ts'

/** Problems that are told, at most. */
const maxProblems = 20

/**
 * What SQLite finds wrong with a file that may be in use; nothing when it is whole. With `repair` indexes that do not fit their tables are
 * made anew; nothing else can be mended.
 */
export function findBrokenPages(path: string, { repair }: { repair: boolean }): string[] {
  try {
    using database = new DatabaseSync(path, { timeout: busyTimeoutMs })
    const problems = integrityOf(database)
    if (problems.length === 0 || !repair) return problems
    database.exec('REINDEX')
    return integrityOf(database)
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)]
  }
}

function integrityOf(database: DatabaseSync): string[] {
  const rows = database.prepare(`PRAGMA integrity_check(${maxProblems})`).all()
  return rows.map((row) => String(row['integrity_check'])).filter((problem) => problem !== 'ok')
}
