import type { ConsumerStore } from '../consumer-store.ts'
import { createConsumerStore } from '../shared/consumers.ts'
import { type Sql, type SqlRow, type Steps, sql } from '../shared/sql.ts'
import type { SqliteDatabase } from './database.ts'

/** The writer has one transaction at a time, so no row needs a lock. */
export function createSqliteConsumers(components: { writer: () => SqliteDatabase; reader: () => SqliteDatabase }): ConsumerStore {
  const { writer, reader } = components
  const run = async <Result>(steps: Steps<Result>) => writer().transaction(() => perform(writer(), steps))
  return createConsumerStore({
    run,
    write: run,
    read: async (steps) => perform(reader(), steps),
    locked: sql``,
    free: sql``,
    items: (json) =>
      sql`(SELECT value ->> 'id' AS "id", value ->> 'seq' AS "seq", value ->> 'lane' AS "lane" FROM json_each(${json})) AS i`,
    texts: (json) => sql`SELECT value FROM json_each(${json})`,
    removable: (_consumer, ids) => ids,
  })
}

function perform<Result>(database: SqliteDatabase, steps: Steps<Result>): Result {
  let step = steps.next()
  while (step.done !== true) step = steps.next(rowsOf(database, step.value))
  return step.value
}

function rowsOf(database: SqliteDatabase, { texts, values }: Sql): SqlRow[] {
  return database.table(texts.join('?'), ...values)
}
