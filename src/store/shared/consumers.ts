import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import { createLru } from '../../lib/lru.ts'
import type { ConsumerGap, ConsumerRecord, ConsumerStore, ItemClaim, ItemCounts, SettleQuery } from '../consumer-store.ts'
import { createConsumerSteps } from './consumer-steps.ts'
import { createTaking, toItem } from './consumer-taking.ts'
import { type Sql, type SqlRow, type Steps, sql } from './sql.ts'

/** What the databases write differently. */
export interface ConsumerDialect {
  /** Runs the steps in one transaction. */
  run<Result>(steps: Steps<Result>): Promise<Result>
  /** Runs steps of which one statement writes, and needs no transaction with the others. */
  write<Result>(steps: Steps<Result>): Promise<Result>
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
  /** Those of these ids that may be removed from the items of a consumer, as a query. It locks them in one order. */
  removable(consumer: string, ids: Sql): Sql
}

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
/** Each take reads the settings; those of many consumers are remembered by their text. */
const settingsOf = createLru({ max: 1_000 }, (text) => Object.freeze(settingsSchema.parse(JSON.parse(text))))
const columns = sql`"name", "client", "settings", "createdAt", "position", "prunedSince", "gaps", "gapFrom", "gapTo"`

/** The contract in statements that both databases understand; each method is one transaction or one read. */
export function createConsumerStore(dialect: ConsumerDialect): ConsumerStore {
  const { run, write, read } = dialect
  const among = (ids: string[]) => sql`"id" IN (${dialect.texts(JSON.stringify(ids))})`
  const amongOrAll = (ids: string[] | undefined) => (ids === undefined ? sql`true` : among(ids))
  const take = createTaking({ never, among, find }, dialect)
  const steps = createConsumerSteps({ never, amongOrAll, noteGap }, dialect)

  function* find(name: string, end: Sql = sql``): Steps<ConsumerRecord | undefined> {
    const [row] = yield sql`SELECT ${columns} FROM "Consumer" WHERE "name" = ${name} ${end}`
    return row === undefined ? undefined : toRecord(row)
  }

  /** Before its items are locked, as by all that locks both. */
  function* noteGap(name: string, gap: ConsumerGap): Steps<void> {
    yield sql`UPDATE "Consumer" SET "gaps" = "gaps" + 1, "gapFrom" = ${gap.from}, "gapTo" = ${gap.to} WHERE "name" = ${name}`
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

  function* isThere({ name, createdAt }: Pick<SettleQuery, 'name' | 'createdAt'>): Steps<boolean> {
    return (yield sql`SELECT 1 FROM "Consumer" WHERE "name" = ${name} AND "createdAt" = ${createdAt}`).length > 0
  }

  /** Most verdicts are about messages alone: they are one statement. */
  function* remove({ name, createdAt, verdicts }: SettleQuery): Steps<boolean[] | undefined> {
    const ids = dialect.texts(JSON.stringify(idsOf(verdicts)))
    const rows = yield sql`DELETE FROM "ConsumerItem" WHERE "consumer" = ${name} AND "id" IN (${dialect.removable(name, ids)})
      AND EXISTS (SELECT 1 FROM "Consumer" WHERE "name" = ${name} AND "createdAt" = ${createdAt}) RETURNING "id"`
    if (rows.length === 0 && !(yield* isThere({ name, createdAt }))) return undefined
    const removed = new Set(rows.map(([id]) => String(id)))
    return verdicts.map(({ id }) => removed.delete(id))
  }

  function* settle(query: SettleQuery): Steps<boolean[] | undefined> {
    const { name, createdAt, verdicts } = query
    const consumer = yield* find(name)
    if (consumer?.createdAt !== createdAt) return undefined
    const { maxDeliveries } = consumer.settings
    const items = yield* itemsOf(name, idsOf(verdicts), dialect.locked)
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
    finishRemovals: steps.finishRemovals,
    take: (query) => run(take(query)),
    settle: (query) => (isAboutMessages(query) ? write(remove(query)) : run(settle(query))),
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
    loseThrough: steps.loseThrough,
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
          // The index has all that is counted of most items: what waits or is parked can be as many as the log has messages.
          const [[all = 0, claimed = 0, parked = 0] = []] =
            yield sql`SELECT (SELECT count(*) FROM "ConsumerItem" WHERE "consumer" = ${name} AND "dueAt" < ${never}),
              (SELECT count("claimedBy") FROM "ConsumerItem" WHERE "consumer" = ${name} AND "dueAt" > ${now} AND "dueAt" < ${never}),
              (SELECT count(*) FROM "ConsumerItem" WHERE "consumer" = ${name} AND "dueAt" = ${never})`
          return { waiting: Number(all) - Number(claimed), claimed: Number(claimed), parked: Number(parked) }
        })(),
      ),
  }
}

function toRecord([name, client, settings, createdAt, position, prunedSince, gaps, gapFrom, gapTo]: SqlRow): ConsumerRecord {
  return {
    name: String(name),
    client: String(client),
    settings: settingsOf(String(settings)),
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

function isAboutMessages({ verdicts }: SettleQuery): boolean {
  return verdicts.every(({ verdict }) => verdict === 'ack' || verdict === 'drop')
}

function isSpent(attempt: number, maxDeliveries: number): boolean {
  return maxDeliveries > 0 && attempt >= maxDeliveries
}
