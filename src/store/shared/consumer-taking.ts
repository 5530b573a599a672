import {
  type ConsumerItem,
  type ConsumerRecord,
  type FreshMessages,
  maxAhead,
  type NewItem,
  stepItems,
  type Taken,
  type TakeQuery,
} from '../consumer-store.ts'
import { type Sql, type SqlRow, type Steps, sql } from './sql.ts'

/** Maximum due items that are counted: more than any `maxUnacked`, and what is taken in beyond it. */
const maxCounted = 20_000
/** Waiting items, beyond the limit, that are looked at for those whose turn in their lane it is. */
const maxLooked = 2_000

/** The steps of `ConsumerStore.take`. */
export function createTaking(
  init: { never: number; among(ids: string[]): Sql; find(name: string, end: Sql): Steps<ConsumerRecord | undefined> },
  dialect: { locked: Sql; free: Sql; items(json: string): Sql },
): (query: TakeQuery) => Steps<Taken | undefined> {
  const { never, among, find } = init

  function* moveOn(name: string, { through, prunedSince, gap }: FreshMessages): Steps<void> {
    const noted =
      gap === undefined ? sql`` : sql`, "gaps" = "gaps" + 1, "gapFrom" = CAST(${gap.from} AS BIGINT), "gapTo" = CAST(${gap.to} AS BIGINT)`
    yield sql`UPDATE "Consumer" SET "position" = ${through}, "prunedSince" = ${prunedSince}${noted} WHERE "name" = ${name}`
  }

  /** Adds items that wait or, with a claim, have it from the start. Returns those that were not there before. */
  function* add(name: string, items: NewItem[], claim?: Pick<TakeQuery, 'by' | 'claim' | 'until'>): Steps<ConsumerItem[]> {
    if (items.length === 0) return []
    const attempt = claim === undefined ? 0 : 1
    const added = yield sql`INSERT INTO "ConsumerItem" ("consumer", "id", "seq", "lane", "attempt", "dueAt", "claimedBy", "claim")
      SELECT ${name}, i."id", i."seq", i."lane", CAST(${attempt} AS INTEGER), CAST(${claim?.until ?? 0} AS BIGINT),
        CAST(${claim?.by ?? null} AS TEXT), CAST(${claim?.claim ?? null} AS TEXT)
      FROM ${dialect.items(JSON.stringify(items))} WHERE true ON CONFLICT DO NOTHING RETURNING "id"`
    const ids = new Set(added.map(([id]) => String(id)))
    return items.filter(({ id }) => ids.has(id)).map(({ id, seq }) => ({ id, seq, attempt }))
  }

  function* take({ fresh, ...query }: TakeQuery): Steps<Taken | undefined> {
    const { name, createdAt, now, until, limit } = query
    const found = yield* find(name, dialect.locked)
    if (found?.createdAt !== createdAt) return undefined
    const news = fresh?.from === found.position ? fresh : undefined
    if (news !== undefined) yield* moveOn(name, news)
    const [free, laned] = [news?.items.filter(({ lane }) => lane === null) ?? [], news?.items.filter(({ lane }) => lane !== null) ?? []]
    yield* add(name, laned)
    const { maxUnacked, maxDeliveries } = found.settings
    const parked = maxDeliveries === 0 ? [] : yield* park(name, now, maxDeliveries)
    const upTo = (dueAt: Sql) => sql`(SELECT count(*) FROM
      (SELECT 1 FROM "ConsumerItem" WHERE "consumer" = ${name} AND ${dueAt} LIMIT ${maxCounted}) AS o)`
    const isLater = sql`"consumer" = ${name} AND "dueAt" > ${now} AND "dueAt" < ${never}`
    const [[later = 0, nextAt = null, again = 0, unbegun = 0] = []] =
      yield sql`SELECT count(*), min("dueAt"), ${upTo(sql`"dueAt" > 0 AND "dueAt" <= ${now}`)}, ${upTo(sql`"dueAt" = 0`)}
      FROM "ConsumerItem" WHERE ${isLater}`
    const due = Number(again) + Number(unbegun)
    // The index does not tell those that are claimed from those that are retried later.
    const isRoomForAll = Number(later) + limit <= maxUnacked
    const [[claimed = 0] = []] = isRoomForAll ? [[later]] : yield sql`SELECT count("claimedBy") FROM "ConsumerItem" WHERE ${isLater}`
    const room = Math.max(0, Math.min(limit, maxUnacked - Number(claimed)))
    // Unbegun items are found in their order. All others are looked at, so their number is bounded.
    const begin = Math.max(0, maxUnacked + maxAhead - Number(later) - Number(again))
    const older = due === 0 ? [] : yield* claim({ ...query, limit: room }, { begin, maxDeliveries })
    // Messages without a lane follow all that were due: as many as there is room for are claimed as they come in.
    const direct = free.slice(0, room - older.length)
    const added = yield* add(name, direct, query)
    const waiting = yield* add(name, free.slice(direct.length))
    const items = [...older, ...added]
    return {
      items,
      consumer: news === undefined ? found : { ...found, position: news.through, prunedSince: news.prunedSince },
      open: due + Number(later) + added.length + waiting.length,
      isLeft: due > older.length || waiting.length > 0,
      nextAt:
        items.length === 0 && nextAt === null
          ? undefined
          : Math.min(Number(nextAt ?? until), items.length === 0 ? Number.POSITIVE_INFINITY : until),
      parked: parked.length,
    }
  }

  /** Claims due items, oldest first, of which at most `begin` had no attempt. */
  function* claim(
    { name, by, claim, now, until, limit }: TakeQuery,
    { begin, maxDeliveries }: { begin: number; maxDeliveries: number },
  ): Steps<ConsumerItem[]> {
    if (limit === 0) return []
    const isTurn = sql`(i."lane" IS NULL
        OR NOT EXISTS (SELECT 1 FROM "ConsumerItem" AS e WHERE e."consumer" = i."consumer" AND e."lane" = i."lane" AND e."dueAt" < ${never}
          AND (e."seq" < i."seq" OR e."claimedBy" IS NOT NULL AND e."dueAt" > ${now})))`
    // What is spent and was not parked yet is given to nobody.
    const isLeft = maxDeliveries === 0 ? sql`true` : sql`i."attempt" < ${maxDeliveries}`
    const again = yield sql`SELECT i."id", i."seq" FROM "ConsumerItem" AS i WHERE i."consumer" = ${name} AND i."dueAt" > 0
        AND i."dueAt" <= ${now} AND ${isLeft} AND ${isTurn} ORDER BY i."seq" LIMIT ${limit} ${dialect.free}`
    const last = sql`COALESCE((SELECT "seq" FROM "ConsumerItem" WHERE "consumer" = ${name} AND "dueAt" = 0
      ORDER BY "seq" LIMIT 1 OFFSET ${limit + maxLooked}), ${never})`
    const unbegun = yield sql`SELECT i."id", i."seq" FROM "ConsumerItem" AS i WHERE i."consumer" = ${name} AND i."dueAt" = 0
        AND i."seq" < ${last} AND ${isTurn} ORDER BY i."seq" LIMIT ${Math.min(limit, begin)} ${dialect.free}`
    const due = [...again, ...unbegun].toSorted(([, one], [, other]) => Number(one) - Number(other)).slice(0, limit)
    if (due.length === 0) return []
    const claimed =
      yield sql`UPDATE "ConsumerItem" SET "attempt" = "attempt" + 1, "claimedBy" = ${by}, "claim" = ${claim}, "dueAt" = ${until}
      WHERE "consumer" = ${name} AND ${among(due.map(([id]) => String(id)))} RETURNING "id", "seq", "attempt"`
    return claimed.map(toItem).toSorted((one, other) => one.seq - other.seq)
  }

  /** Parks due items that have had all their attempts, a step of them. */
  function* park(name: string, now: number, maxDeliveries: number): Steps<SqlRow[]> {
    const spent = sql`SELECT "id" FROM "ConsumerItem" WHERE "consumer" = ${name} AND "dueAt" > 0 AND "dueAt" <= ${now}
      AND "attempt" >= ${maxDeliveries} LIMIT ${stepItems} ${dialect.free}`
    return yield sql`UPDATE "ConsumerItem" SET "dueAt" = ${never}, "claimedBy" = NULL, "claim" = NULL
      WHERE "consumer" = ${name} AND "id" IN (${spent}) RETURNING 1`
  }

  return take
}

export function toItem([id, seq, attempt]: SqlRow): ConsumerItem {
  return { id: String(id), seq: Number(seq), attempt: Number(attempt) }
}
