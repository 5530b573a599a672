import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Seq } from '../../model/cursor.ts'
import { type ConsumerGap, type ConsumerStore, stepItems } from '../consumer-store.ts'
import { type Sql, type SqlRow, type Steps, sql } from './sql.ts'

/** Changes to any number of items, a part in each transaction. */
export interface ConsumerSteps {
  /** Removes the items of a name that has no consumer. */
  clear(name: string): Promise<void>
  remove: ConsumerStore['remove']
  finishRemovals: ConsumerStore['finishRemovals']
  replay: ConsumerStore['replay']
  loseThrough: ConsumerStore['loseThrough']
}

export function createConsumerSteps(
  init: { never: number; amongOrAll(ids: string[] | undefined): Sql; noteGap(name: string, gap: ConsumerGap): Steps<void> },
  { run }: { run<Result>(steps: Steps<Result>): Promise<Result> },
): ConsumerSteps {
  const { never, amongOrAll, noteGap } = init

  function* rows(statement: Sql): Steps<SqlRow[]> {
    return yield statement
  }

  /** Notes the gap with the first of them, and removes a step of the items up to a seq; returns how many. */
  function* loseSome(name: string, through: Seq, isFirst: boolean): Steps<number> {
    // Unbegun and parked items can be as many as the log has messages: the index has them by seq. All others are looked at.
    const ofEach = (column: Sql) => {
      const gone = (dueAt: Sql) => sql`SELECT ${column} FROM "ConsumerItem" WHERE "consumer" = ${name} AND ${dueAt} AND "seq" <= ${through}`
      return sql`(${gone(sql`"dueAt" = 0`)} UNION ALL ${gone(sql`"dueAt" = ${never}`)}
        UNION ALL ${gone(sql`"dueAt" > 0 AND "dueAt" < ${never}`)}) AS i`
    }
    const [[first] = []] = isFirst ? yield sql`SELECT min(i."first") FROM ${ofEach(sql`min("seq") AS "first"`)}` : []
    if (isFirst && (first === null || first === undefined)) return 0
    if (isFirst) yield* noteGap(name, { from: Number(first) - 1, to: through })
    const some = sql`SELECT i."id" FROM ${ofEach(sql`"id"`)} LIMIT ${stepItems}`
    return (yield sql`DELETE FROM "ConsumerItem" WHERE "consumer" = ${name} AND "id" IN (${some}) RETURNING 1`).length
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
    async loseThrough(name, through) {
      let isFirst = true
      while ((await run(loseSome(name, through, isFirst))) === stepItems) {
        isFirst = false
        await nextTurn()
      }
    },
    async replay({ name, ids }) {
      const isParked = sql`"dueAt" = ${never}`
      let [replayed, after] = [0, -1]
      for (let step = stepItems; step === stepItems; await nextTurn()) {
        const parked = sql`SELECT "id" FROM "ConsumerItem" WHERE "consumer" = ${name} AND ${isParked} AND "seq" > ${after}
          AND ${amongOrAll(ids)} ORDER BY "seq" LIMIT ${stepItems}`
        const again = await run(
          rows(sql`UPDATE "ConsumerItem" SET "dueAt" = 0, "attempt" = 0 WHERE "consumer" = ${name} AND ${isParked}
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
