import { setImmediate as nextTurn } from 'node:timers/promises'
import type { ConsumerStore } from '../consumer-store.ts'
import { type Sql, type SqlRow, type Steps, sql } from './sql.ts'

/**
 * Maximum items that one transaction changes: parked ones can be as many as the log has messages, and SQLite runs one
 * statement while nothing else runs.
 */
const stepItems = 1_000

/** Changes to any number of items, a part in each transaction. */
export interface ConsumerSteps {
  /** Removes the items of a name that has no consumer. */
  clear(name: string): Promise<void>
  remove: ConsumerStore['remove']
  finishRemovals: ConsumerStore['finishRemovals']
  replay: ConsumerStore['replay']
}

export function createConsumerSteps(
  init: { never: number; amongOrAll(ids: string[] | undefined): Sql },
  { run }: { run<Result>(steps: Steps<Result>): Promise<Result> },
): ConsumerSteps {
  const { never, amongOrAll } = init

  function* rows(statement: Sql): Steps<SqlRow[]> {
    return yield statement
  }

  async function clear(name: string): Promise<void> {
    // What was taken in by a new consumer of the name stays.
    const isGone = sql`NOT EXISTS (SELECT 1 FROM "Consumer" WHERE "name" = ${name})`
    const some = sql`SELECT "id" FROM "ConsumerItem" WHERE "consumer" = ${name} LIMIT ${stepItems}`
    for (let step = stepItems; step === stepItems; await nextTurn()) {
      const removed = await run(
        rows(sql`DELETE FROM "ConsumerItem" WHERE "consumer" = ${name} AND "id" IN (${some}) AND ${isGone} RETURNING 1`),
      )
      step = removed.length
    }
  }

  /** Looks up each name of items, rather than read all items. */
  function* gone(): Steps<string[]> {
    const found = yield sql`WITH RECURSIVE "Names" ("name") AS (SELECT min("consumer") FROM "ConsumerItem"
        UNION ALL SELECT (SELECT min(i."consumer") FROM "ConsumerItem" AS i WHERE i."consumer" > n."name")
          FROM "Names" AS n WHERE n."name" IS NOT NULL)
      SELECT n."name" FROM "Names" AS n WHERE n."name" IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM "Consumer" AS c WHERE c."name" = n."name")`
    return found.map(([name]) => String(name))
  }

  return {
    clear,
    async finishRemovals() {
      for (const name of await run(gone())) await clear(name)
    },
    async remove(name) {
      const removed = await run(rows(sql`DELETE FROM "Consumer" WHERE "name" = ${name} RETURNING 1`))
      await clear(name)
      return removed.length > 0
    },
    async replay({ name, now, ids }) {
      const isParked = sql`"dueAt" = ${never}`
      let [replayed, after] = [0, -1]
      for (let step = stepItems; step === stepItems; await nextTurn()) {
        const parked = sql`SELECT "id" FROM "ConsumerItem" WHERE "consumer" = ${name} AND ${isParked} AND "seq" > ${after}
          AND ${amongOrAll(ids)} ORDER BY "seq" LIMIT ${stepItems}`
        const again = await run(
          rows(sql`UPDATE "ConsumerItem" SET "dueAt" = ${now}, "attempt" = 0 WHERE "consumer" = ${name} AND ${isParked}
            AND "id" IN (${parked}) RETURNING "seq"`),
        )
        step = again.length
        replayed += step
        after = again.reduce((last, [seq]) => Math.max(last, Number(seq)), after)
      }
      return replayed
    },
  }
}
