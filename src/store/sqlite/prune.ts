import type { Seq } from '../../model/cursor.ts'
import type { Retention } from '../../model/retention.ts'
import type { TopicFilter } from '../../model/topic.ts'
import type { Pruned, PruneQuery, Prunes } from '../log-store.ts'
import type { Row, SqliteDatabase } from './database.ts'
import { forgottenThrough } from './forgotten-topics.ts'
import { sumIsWrong } from './messages.ts'
import { namesOf } from './topic-condition.ts'

/** Maximum topics returned; the next sweep finds the others. */
const maxPrunable = 100

const findPrunable = `SELECT "name" FROM (
    SELECT "name", "messages", "bytes", "firstSeq",
      coalesce("maxAgeMs", ?) AS "age", coalesce("maxMessages", ?) AS "count", coalesce("maxBytes", ?) AS "size"
    FROM "Topic" WHERE "messages" > 0)
  WHERE ("count" > 0 AND "messages" > "count") OR ("size" > 0 AND "bytes" > "size")
    OR ("age" > 0 AND (SELECT "storedAt" < ? - "age" OR ${sumIsWrong} FROM "Message" WHERE "seq" = "firstSeq"))
  LIMIT ${maxPrunable}`

export function findPrunableTopics(reader: SqliteDatabase, { defaults, now }: PruneQuery): string[] {
  const rows = reader.rows(findPrunable, defaults.maxAgeMs, defaults.maxMessages, defaults.maxBytes, now)
  return Array.from(rows, ({ name }) => String(name))
}

/**
 * One step of pruning; call it in a transaction. `bad` is the seq of a row at which the step stopped because its time
 * is damaged and does not tell its age.
 */
export function pruneTopic(
  writer: SqliteDatabase,
  query: PruneQuery & { topic: string; limit: number; through?: Seq },
): { pruned: Pruned | undefined; bad: Seq | undefined } {
  const { topic, now } = query
  const row = writer.row('SELECT * FROM "Topic" WHERE "name" = ?', topic)
  if (row === undefined) return { pruned: undefined, bad: undefined }
  const oldest = writer.rows(
    `SELECT "seq", CAST("storedAt" AS REAL) AS "storedAt", length("data") AS "size", ${sumIsWrong} AS "wrong"
      FROM "Message" WHERE "topic" = ? AND "seq" <= ? ORDER BY "seq" LIMIT ?`,
    topic,
    query.through ?? Number.MAX_SAFE_INTEGER,
    query.limit,
  )
  const isSurplus = query.through !== undefined ? () => true : surplus(row, query)
  let through: Seq = 0
  let messages = 0
  let bytes = 0
  let bad: Seq | undefined
  for (const { seq, storedAt, size, wrong } of oldest) {
    if (wrong === 1 && query.through === undefined) {
      bad = Number(seq)
      break
    }
    if (!isSurplus(messages, bytes, Number(storedAt))) break
    through = Number(seq)
    messages++
    bytes += Number(size)
  }
  if (messages === 0) return { pruned: undefined, bad }
  remove(writer, topic, through, now)
  const pruneCount = Number(writer.row('UPDATE "Log" SET "pruneCount" = "pruneCount" + 1 RETURNING "pruneCount"')?.pruneCount)
  const first = writer.row('SELECT "seq" FROM "Message" WHERE "topic" = ? ORDER BY "seq" LIMIT 1', topic)?.seq ?? 0
  writer.run(
    `UPDATE "Topic" SET "messages" = "messages" - ?, "bytes" = "bytes" - ?, "firstSeq" = ?, "prunedThrough" = ?, "prunedAt" = ?, "emptySince" = ?
      WHERE "name" = ?`,
    messages,
    bytes,
    first,
    through,
    pruneCount,
    first === 0 ? now : null,
    topic,
  )
  return { pruned: { through, pruneCount, messages, bytes }, bad }
}

/** Whether a message exceeds the topic's retention once the given number of messages and bytes before it are gone. */
function surplus(topic: Row, { defaults, now }: PruneQuery) {
  const limit = (name: keyof Retention) => Number(topic[name] ?? defaults[name])
  const [maxAgeMs, maxMessages, maxBytes] = [limit('maxAgeMs'), limit('maxMessages'), limit('maxBytes')]
  return (messagesGone: number, bytesGone: number, storedAt: number) =>
    (maxAgeMs > 0 && storedAt < now - maxAgeMs) ||
    (maxMessages > 0 && Number(topic.messages) - messagesGone > maxMessages) ||
    (maxBytes > 0 && Number(topic.bytes) - bytesGone > maxBytes)
}

function remove(writer: SqliteDatabase, topic: string, through: Seq, now: number): void {
  writer.run(
    'INSERT OR REPLACE INTO "SeenId" ("id", "seenAt") SELECT "id", ? FROM "Message" WHERE "topic" = ? AND "seq" <= ?',
    now,
    topic,
    through,
  )
  writer.run('DELETE FROM "Message" WHERE "topic" = ? AND "seq" <= ?', topic, through)
  writer.run('DELETE FROM "Damage" WHERE "topic" = ? AND "seq" <= ?', topic, through)
}

/** Notes ids that are never to be stored. Call it in a transaction. */
export function refuseIds(writer: SqliteDatabase, ids: string[], now: number): void {
  writer.run('INSERT OR IGNORE INTO "SeenId" ("id", "seenAt") SELECT value, ? FROM json_each(?)', now, JSON.stringify(ids))
}

/** Removes old ids, damage notes and keys. Call it in a transaction. */
export function forgetOld(writer: SqliteDatabase, query: { now: number; idsBefore: number; keysBefore: number; limit: number }): number {
  const oldest = (table: string, key: string, time: string) =>
    `DELETE FROM "${table}" WHERE "${key}" IN (SELECT "${key}" FROM "${table}" WHERE "${time}" < ? ORDER BY "${time}" LIMIT ?)`
  const ids = writer.run(oldest('SeenId', 'id', 'seenAt'), query.idsBefore, query.limit)
  writer.run('DELETE FROM "Damage" WHERE "foundAt" < ?', query.idsBefore)
  writer.run('UPDATE "Damage" SET "foundAt" = ? WHERE "foundAt" IS NULL', query.now)
  const keys = writer.run(oldest('IdempotencyKey', 'key', 'createdAt'), query.keysBefore, query.limit)
  return ids.changes + keys.changes
}

export function readPruneCount(database: SqliteDatabase): number {
  return Number(database.row('SELECT "pruneCount" FROM "Log"')?.pruneCount ?? 0)
}

/** Topics with messages after a position that were pruned after a step of pruning. */
export function prunesOf(reader: SqliteDatabase, query: { topics?: TopicFilter; after: Seq; prunedSince: number }): Prunes {
  const { sql, values, matches } = namesOf('"name"', query.topics)
  const rows = reader.rows(
    `SELECT "name", "prunedThrough" FROM "Topic" WHERE "prunedAt" > ? AND "prunedThrough" > ? AND ${sql}`,
    query.prunedSince,
    query.after,
    ...values,
  )
  const topics: Prunes['topics'] = Array.from(rows, ({ name, prunedThrough }) => ({ topic: String(name), through: Number(prunedThrough) }))
    // Pruned topics may be thousands.
    .filter(({ topic = '' }) => matches(topic))
  const through = forgottenThrough(reader, query.topics, query.prunedSince)
  if (through > query.after) topics.push({ topic: undefined, through })
  return { count: readPruneCount(reader), topics }
}
