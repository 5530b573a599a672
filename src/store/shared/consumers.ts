import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import type {
  ConsumerGap,
  ConsumerItem,
  ConsumerRecord,
  ConsumerStore,
  FreshMessages,
  ItemClaim,
  ItemCounts,
  ItemVerdict,
  Taken,
  TakeQuery,
} from '../consumer-store.ts'
import { createConsumerSteps } from './consumer-steps.ts'
import { type Sql, type SqlRow, type Steps, sql } from './sql.ts'

/** What the databases write differently. */
export interface ConsumerDialect {
  /** Runs the steps in one transaction. */
  run<Result>(steps: Steps<Result>): Promise<Result>
  /** Runs steps of one statement, which reads. */
  read<Result>(steps: Steps<Result>): Promise<Result>
  /** Ends a query whose rows are locked; one that another transaction has locked is waited for. */
  locked: Sql
  /** Ends a query whose rows are locked; those that another transaction has locked are left out. */
  free: Sql
  /** A table of "seq", "id" and "lane" of a JSON array of such objects. */
  items(json: string): Sql
  /** The texts of a JSON array, as a query. */
  texts(json: string): Sql
}

/** Maximum open items that are counted: more than any `maxUnacked`, and what is taken in beyond it. */
const maxCounted = 20_000

/** `dueAt` of a parked item: beyond the life of any clock. */
const never = 2 ** 52

const settingsSchema = z.object({
  topics: z.array(z.string()),
  direct: z.boolean(),
  order: z.enum(['none', 'author', 'strict']),
  ackWaitMs: z.number(),
  maxUnacked: z.number(),
  maxDeliveries: z.number(),
  backoffMs: z.number(),
})
const columns = sql`"name", "client", "settings", "createdAt", "position", "prunedSince", "gaps", "gapFrom", "gapTo"`

/** The contract in statements that both databases understand; each method is one transaction or one read. */
export function createConsumerStore(dialect: ConsumerDialect): ConsumerStore {
  const { run, read } = dialect
  const among = (ids: string[]) => sql`"id" IN (${dialect.texts(JSON.stringify(ids))})`
  const amongOrAll = (ids: string[] | undefined) => (ids === undefined ? sql`true` : among(ids))
  const steps = createConsumerSteps({ never, amongOrAll }, dialect)

  function* find(name: string, end: Sql = sql``): Steps<ConsumerRecord | undefined> {
    const [row] = yield sql`SELECT ${columns} FROM "Consumer" WHERE "name" = ${name} ${end}`
    return row === undefined ? undefined : toRecord(row)
  }

  function* takeIn(name: string, { from, through, prunedSince, items, gap }: FreshMessages): Steps<boolean> {
    const noted =
      gap === undefined ? sql`` : sql`, "gaps" = "gaps" + 1, "gapFrom" = CAST(${gap.from} AS BIGINT), "gapTo" = CAST(${gap.to} AS BIGINT)`
    const moved = yield sql`UPDATE "Consumer" SET "position" = ${through}, "prunedSince" = ${prunedSince}${noted}
      WHERE "name" = ${name} AND "position" = ${from} RETURNING 1`
    if (moved.length === 0) return false
    if (items.length === 0) return true
    yield sql`INSERT INTO "ConsumerItem" ("consumer", "id", "seq", "lane", "attempt", "dueAt")
      SELECT ${name}, i."id", i."seq", i."lane", 0, 0 FROM ${dialect.items(JSON.stringify(items))} WHERE true ON CONFLICT DO NOTHING`
    return true
  }

  function* take({ fresh, ...query }: TakeQuery): Steps<Taken | undefined> {
    const { name, createdAt, now, limit } = query
    const found = yield* find(name, dialect.locked)
    if (found?.createdAt !== createdAt) return undefined
    const isIn = fresh !== undefined && (yield* takeIn(name, fresh))
    const consumer = isIn ? { ...found, position: fresh.through, prunedSince: fresh.prunedSince } : found
    const { maxUnacked, maxDeliveries } = found.settings
    const parked = maxDeliveries === 0 ? [] : yield* park(name, now, maxDeliveries)
    const [[open = 0] = []] = yield sql`SELECT count(*) FROM (SELECT 1 FROM "ConsumerItem"
      WHERE "consumer" = ${name} AND "dueAt" < ${never} LIMIT ${maxCounted}) AS o`
    const [[claimed = 0] = []] = yield sql`SELECT count(*) FROM "ConsumerItem"
      WHERE "consumer" = ${name} AND "dueAt" > ${now} AND "dueAt" < ${never} AND "claimedBy" IS NOT NULL`
    const room = Math.min(limit, maxUnacked - Number(claimed))
    const items = room <= 0 ? [] : yield* claim({ ...query, limit: room })
    const [[nextAt] = []] = yield sql`SELECT min("dueAt") FROM "ConsumerItem"
      WHERE "consumer" = ${name} AND "dueAt" > ${now} AND "dueAt" < ${never}`
    return {
      items,
      consumer,
      open: Number(open),
      nextAt: nextAt === null || nextAt === undefined ? undefined : Number(nextAt),
      parked: parked.length,
    }
  }

  function* claim({ name, by, claim, now, until, limit }: TakeQuery): Steps<ConsumerItem[]> {
    const due = yield sql`SELECT i."id" FROM "ConsumerItem" AS i WHERE i."consumer" = ${name} AND i."dueAt" <= ${now} AND (i."lane" IS NULL
        OR NOT EXISTS (SELECT 1 FROM "ConsumerItem" AS e WHERE e."consumer" = i."consumer" AND e."lane" = i."lane" AND e."dueAt" < ${never}
          AND (e."seq" < i."seq" OR e."claimedBy" IS NOT NULL AND e."dueAt" > ${now})))
      ORDER BY i."seq" LIMIT ${limit} ${dialect.free}`
    if (due.length === 0) return []
    const claimed =
      yield sql`UPDATE "ConsumerItem" SET "attempt" = "attempt" + 1, "claimedBy" = ${by}, "claim" = ${claim}, "dueAt" = ${until}
      WHERE "consumer" = ${name} AND ${among(due.map(([id]) => String(id)))} RETURNING "id", "seq", "attempt"`
    return claimed.map(toItem).toSorted((one, other) => one.seq - other.seq)
  }

  /** Before its items are locked, as by all that locks both. */
  function* noteGap(name: string, gap: ConsumerGap): Steps<void> {
    yield sql`UPDATE "Consumer" SET "gaps" = "gaps" + 1, "gapFrom" = ${gap.from}, "gapTo" = ${gap.to} WHERE "name" = ${name}`
  }

  /** Parks due items that have had all their attempts. */
  function* park(name: string, now: number, maxDeliveries: number): Steps<SqlRow[]> {
    return yield sql`UPDATE "ConsumerItem" SET "dueAt" = ${never}, "claimedBy" = NULL, "claim" = NULL WHERE "consumer" = ${name} AND "id" IN (
      SELECT "id" FROM "ConsumerItem" WHERE "consumer" = ${name} AND "dueAt" <= ${now} AND "attempt" >= ${maxDeliveries} ${dialect.free})
      RETURNING 1`
  }

  /** Items as they are now. They are locked in one order, so that gateways that settle the same ones do not wait for each other in a circle. */
  function* itemsOf(name: string, ids: string[], end: Sql): Steps<Map<string, StoredItem>> {
    const rows = yield sql`SELECT "id", "attempt", "claim" FROM "ConsumerItem" WHERE "consumer" = ${name} AND ${among(ids)}
      ORDER BY "id" ${end}`
    return new Map(
      rows.map(([id, attempt, claim]) => [String(id), { attempt: Number(attempt), claim: claim === null ? undefined : String(claim) }]),
    )
  }

  /** The ids of the items whose claims have not ended. */
  function* current(name: string, claims: ItemClaim[], end: Sql): Steps<string[]> {
    const items = yield* itemsOf(name, idsOf(claims), end)
    return idsOf(claims.filter(({ id, claim }) => items.get(id)?.claim === claim))
  }

  function* settle(name: string, verdicts: ItemVerdict[]): Steps<boolean[]> {
    const items = yield* itemsOf(name, idsOf(verdicts), dialect.locked)
    const maxDeliveries = verdicts.some(({ verdict }) => verdict === 'retry') ? (yield* find(name))?.settings.maxDeliveries : undefined
    const removed: string[] = []
    const moved = new Map<string, { dueAt: number; isFreed: boolean }>()
    const settled = verdicts.map((each) => {
      const item = items.get(each.id)
      if (item === undefined) return false
      if (each.verdict === 'ack' || each.verdict === 'drop') {
        items.delete(each.id)
        moved.delete(each.id)
        removed.push(each.id)
        return true
      }
      if (item.claim !== each.claim) return false
      if (each.verdict === 'progress') {
        moved.set(each.id, { dueAt: each.dueAt, isFreed: false })
        return true
      }
      item.claim = undefined
      moved.set(each.id, { dueAt: isSpent(item.attempt, maxDeliveries) ? never : each.dueAt(item.attempt), isFreed: true })
      return true
    })
    if (removed.length > 0) yield sql`DELETE FROM "ConsumerItem" WHERE "consumer" = ${name} AND ${among(removed)}`
    for (const group of Map.groupBy(moved, ([, { dueAt, isFreed }]) => `${dueAt} ${isFreed}`).values()) {
      const [[, { dueAt, isFreed }] = ['', { dueAt: never, isFreed: true }]] = group
      yield sql`UPDATE "ConsumerItem" SET "dueAt" = ${dueAt}${isFreed ? sql`, "claimedBy" = NULL, "claim" = NULL` : sql``}
        WHERE "consumer" = ${name} AND ${among(group.map(([id]) => id))}`
    }
    return settled
  }

  return {
    list: () =>
      read(
        (function* () {
          const rows = yield sql`SELECT ${columns} FROM "Consumer" ORDER BY "name"`
          return rows.map(toRecord)
        })(),
      ),
    get: (name) => read(find(name)),
    async create(consumer) {
      await steps.clear(consumer.name)
      return await run(
        (function* () {
          const { name, client, settings, createdAt, position, prunedSince } = consumer
          const created = yield sql`INSERT INTO "Consumer" ("name", "client", "settings", "createdAt", "position", "prunedSince")
            VALUES (${name}, ${client}, ${JSON.stringify(settings)}, ${createdAt}, ${position}, ${prunedSince})
            ON CONFLICT ("name") DO NOTHING RETURNING 1`
          return { consumer: (yield* find(name)) ?? consumer, created: created.length > 0 }
        })(),
      )
    },
    configure: (consumer, settings) =>
      run(
        (function* () {
          const found = yield* find(consumer.name, dialect.locked)
          if (found?.createdAt !== consumer.createdAt || !isDeepStrictEqual(found.settings, consumer.settings)) return false
          yield sql`UPDATE "Consumer" SET "settings" = ${JSON.stringify(settings)} WHERE "name" = ${consumer.name}`
          return true
        })(),
      ),
    remove: steps.remove,
    take: (query) => run(take(query)),
    settle: (name, verdicts) => run(settle(name, verdicts)),
    held: ({ name, createdAt, claims }) =>
      run(
        (function* () {
          return (yield* find(name))?.createdAt === createdAt ? yield* current(name, claims, sql``) : undefined
        })(),
      ),
    lose: (name, ids, gap) =>
      run(
        (function* () {
          yield* noteGap(name, gap)
          yield sql`DELETE FROM "ConsumerItem" WHERE "consumer" = ${name} AND ${among(ids)}`
        })(),
      ),
    loseThrough: (name, through) =>
      run(
        (function* () {
          const [[first] = []] = yield sql`SELECT min("seq") FROM "ConsumerItem" WHERE "consumer" = ${name} AND "seq" <= ${through}`
          if (first === null || first === undefined) return
          yield* noteGap(name, { from: Number(first) - 1, to: through })
          yield sql`DELETE FROM "ConsumerItem" WHERE "consumer" = ${name} AND "seq" <= ${through}`
        })(),
      ),
    release: ({ name, now, claims, uncounted = false }) =>
      run(
        (function* () {
          const ids = yield* current(name, claims, dialect.free)
          yield sql`UPDATE "ConsumerItem" SET "claimedBy" = NULL, "claim" = NULL, "dueAt" = ${now}, "attempt" = "attempt" - ${uncounted ? 1 : 0}
            WHERE "consumer" = ${name} AND ${among(ids)}`
        })(),
      ),
    disown: ({ by, now }) =>
      run(
        (function* () {
          yield sql`UPDATE "ConsumerItem" SET "claimedBy" = NULL, "claim" = NULL, "dueAt" = ${now}
            WHERE ("consumer", "id") IN (SELECT "consumer", "id" FROM "ConsumerItem"
              WHERE "consumer" IN (SELECT "name" FROM "Consumer") AND "dueAt" < ${never} AND "claimedBy" = ${by} ${dialect.free})`
        })(),
      ),
    parked: ({ name, after, limit }) =>
      read(
        (function* () {
          const rows = yield sql`SELECT "id", "seq", "attempt" FROM "ConsumerItem"
            WHERE "consumer" = ${name} AND "dueAt" = ${never} AND "seq" > ${after} ORDER BY "seq" LIMIT ${limit}`
          return rows.map(toItem)
        })(),
      ),
    replay: steps.replay,
    count: ({ name, now }) =>
      read(
        (function* (): Steps<ItemCounts> {
          const [[all = 0, claimed = 0, parked = 0] = []] = yield sql`SELECT count(*),
            count(CASE WHEN "claimedBy" IS NOT NULL AND "dueAt" > ${now} THEN 1 END), count(CASE WHEN "dueAt" = ${never} THEN 1 END)
            FROM "ConsumerItem" WHERE "consumer" = ${name}`
          return { waiting: Number(all) - Number(claimed) - Number(parked), claimed: Number(claimed), parked: Number(parked) }
        })(),
      ),
  }
}

function toRecord([name, client, settings, createdAt, position, prunedSince, gaps, gapFrom, gapTo]: SqlRow): ConsumerRecord {
  return {
    name: String(name),
    client: String(client),
    settings: settingsSchema.parse(JSON.parse(String(settings))),
    createdAt: Number(createdAt),
    position: Number(position),
    prunedSince: Number(prunedSince),
    gaps: Number(gaps),
    lastGap: gapFrom === null ? null : { from: Number(gapFrom), to: Number(gapTo) },
  }
}

interface StoredItem {
  attempt: number
  /** Undefined when no worker has it. */
  claim: string | undefined
}

function idsOf(items: Array<{ id: string }>): string[] {
  return items.map(({ id }) => id)
}

function isSpent(attempt: number, maxDeliveries = 0): boolean {
  return maxDeliveries > 0 && attempt >= maxDeliveries
}

function toItem([id, seq, attempt]: SqlRow): ConsumerItem {
  return { id: String(id), seq: Number(seq), attempt: Number(attempt) }
}
