import { DatabaseSync } from 'node:sqlite'
import { countLess } from './damage.ts'
import { busyTimeoutMs } from './database.ts'

/** Maximum number of problems reported. */
const maxProblems = 20

/**
 * Problems that SQLite finds in a file that may be in use; empty when it is sound. With `repair`, indexes that do not
 * match their tables are rebuilt; nothing else can be repaired.
 */
export function findBrokenPages(path: string, { repair }: { repair: boolean }): string[] {
  try {
    using database = new DatabaseSync(path, { timeout: busyTimeoutMs })
    const problems = integrityOf(database)
    if (problems.length === 0 || !repair) return problems
    makeIndexesAnew(database)
    return integrityOf(database)
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)]
  }
}

/** SQLite's primary result code of a constraint violation. */
const constraintCode = 19

function makeIndexesAnew(database: DatabaseSync): void {
  try {
    database.exec('REINDEX')
  } catch (error) {
    const code = error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : undefined
    if (code !== constraintCode) throw error
    removeRepetitions(database)
    database.exec('REINDEX')
  }
}

/** A broken index of ids may have let a message in twice: of the messages with one id, the first stays. */
function removeRepetitions(database: DatabaseSync): void {
  const index = 'Message_id_key'
  const sql = database.prepare('SELECT "sql" FROM "sqlite_schema" WHERE "name" = ?').get(index)?.['sql']
  database.exec('BEGIN IMMEDIATE')
  try {
    database.exec(`DROP INDEX "${index}"; REINDEX "Message_topic_seq_idx"`)
    const repeated = database.prepare(
      'SELECT "seq", "topic", length("data") AS "size" FROM "Message" WHERE "seq" NOT IN (SELECT min("seq") FROM "Message" GROUP BY "id")',
    )
    for (const { seq, topic, size } of repeated.all()) {
      database.prepare('DELETE FROM "Message" WHERE "seq" = ?').run(Number(seq))
      database.prepare(countLess).run(String(topic), Number(size), 0)
    }
    database.exec(`${String(sql)}; COMMIT`)
  } finally {
    if (database.isTransaction) database.exec('ROLLBACK')
  }
}

function integrityOf(database: DatabaseSync): string[] {
  const rows = database.prepare(`PRAGMA integrity_check(${maxProblems})`).all()
  return rows.map((row) => String(row['integrity_check'])).filter((problem) => problem !== 'ok')
}
