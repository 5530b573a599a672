import type { ConsumerStore } from '../consumer-store.ts'
import { createConsumerStore } from '../shared/consumers.ts'
import { type Sql, type SqlRow, type Steps, sql } from '../shared/sql.ts'
import type { PostgresDatabase, Query } from './database.ts'

/**
 * Gateways that take from one consumer wait for each other at its row, which keeps `maxUnacked` and lanes exact. They
 * take many items at a time; acknowledgements do not touch that row.
 */
export function createPostgresConsumers(components: { database: () => PostgresDatabase }): ConsumerStore {
  return createConsumerStore({
    run: (steps) => components.database().transaction((query) => perform(query, steps)),
    write: (steps) => perform(components.database().read, steps),
    read: (steps) => perform(components.database().read, steps),
    locked: sql`FOR UPDATE`,
    free: sql`FOR UPDATE SKIP LOCKED`,
    items: (json) => sql`json_to_recordset(CAST(${json} AS json)) AS i("id" text, "seq" bigint, "lane" text)`,
    texts: (json) => sql`SELECT json_array_elements_text(CAST(${json} AS json))`,
    removable: (consumer, ids) =>
      sql`SELECT "id" FROM "ConsumerItem" WHERE "consumer" = ${consumer} AND "id" IN (${ids}) ORDER BY "id" FOR UPDATE`,
  })
}

async function perform<Result>(query: Query, steps: Steps<Result>): Promise<Result> {
  let step = steps.next()
  while (step.done !== true) step = steps.next(await rowsOf(query, step.value))
  return step.value
}

function rowsOf(query: Query, { texts, values }: Sql): Promise<SqlRow[]> {
  return query(texts.map((text, index) => (index === 0 ? text : `$${index}${text}`)).join(''), [...values])
}
