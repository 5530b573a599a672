import type { Seq } from '../../model/cursor.ts'
import { messageId } from '../../model/signed-message.ts'
import type { TopicFilter } from '../../model/topic.ts'
import { type Damaged, type LogQuery, type Missing, type Removed, scanRows } from '../log-store.ts'
import type { Row, SqliteDatabase } from './database.ts'
import { findBySeq, sumIsWrong } from './messages.ts'
import { namesOf } from './topic-condition.ts'

/** A message with a damaged time counts as being as old as the one before it. */
const findRow = `SELECT "seq", "id", "author", "sequence", length("data") AS "size",
    CASE WHEN ${sumIsWrong} THEN (SELECT coalesce("firstSeenAt", "storedAt") FROM "Message" WHERE "seq" < m."seq" AND NOT ${sumIsWrong}
      ORDER BY "seq" DESC LIMIT 1) ELSE coalesce("firstSeenAt", "storedAt") END AS "seenAt",
    "topic" AS "named", (SELECT t."name" FROM "Topic" AS t WHERE t."name" = m."topic") AS "topic"
  FROM "Message" AS m WHERE "seq" = ?`
const note = `INSERT OR IGNORE INTO "Damage" ("seq", "id", "topic", "firstSeenAt") VALUES (?, ?, ?, ?)`
/** Takes a message of `?2` bytes off the counters of the topic `?1`, which, without messages, is empty since `?3`. */
export const countLess = `UPDATE "Topic" SET "messages" = max(0, "messages" - 1), "bytes" = max(0, "bytes" - ?2),
    "emptySince" = CASE WHEN EXISTS (SELECT 1 FROM "Message" AS m WHERE m."topic" = ?1) THEN NULL ELSE ?3 END,
    "firstSeq" = coalesce((SELECT min(m."seq") FROM "Message" AS m WHERE m."topic" = ?1), 0),
    "lastSeq" = coalesce((SELECT max(m."seq") FROM "Message" AS m WHERE m."topic" = ?1), 0)
  WHERE "name" = ?1`

/** Describes the rows with these seqs, by their own content. */
export function describeRows(database: SqliteDatabase, seqs: Seq[]): Damaged[] {
  return seqs.flatMap((seq) => {
    const row = database.row(findRow, seq)
    return row === undefined ? [] : toDamaged(row)
  })
}

/**
 * Takes damaged rows out of the log and notes them. Call it in a transaction. Rows that are sound or gone are skipped.
 */
export function takeOut(writer: SqliteDatabase, seqs: Seq[]): Damaged[] {
  return seqs.flatMap((seq) => {
    const row = writer.row(findRow, seq)
    if (row === undefined || findBySeq(writer, seq)?.message !== undefined) return []
    const damaged = toDamaged(row)
    for (const id of idsOf(row)) writer.run(note, seq, id, damaged.topic ?? null, Number(row.seenAt ?? 0))
    writer.run('DELETE FROM "Message" WHERE "seq" = ?', seq)
    if (damaged.topic !== undefined) writer.run(countLess, damaged.topic, Number(row.size), 0)
    return damaged
  })
}

/** The row's id, and the id that its author and sequence number make, if it differs. */
function idsOf({ id, author, sequence }: Row): Set<string> {
  const made = sequence instanceof Uint8Array && sequence.length === 8 ? [messageId(String(author), sequence)] : []
  return new Set([String(id), ...made])
}

function toDamaged({ seq, id, topic }: Row): Damaged {
  return { seq: Number(seq), id: String(id), topic: topic === null ? undefined : String(topic) }
}

/** Noted messages in the range of a step, in its order; at most `scanRows`. */
export function removedIn(reader: SqliteDatabase, { topics, after, through, order }: LogQuery): Removed[] {
  const { sql, values, matches } = conditionOf(topics)
  const rows = reader.rows(
    `SELECT "seq", "id", "topic", "deleted" FROM "Damage" WHERE "seq" > ? AND "seq" <= ? AND ${sql}
      ORDER BY "seq" ${order === 'asc' ? 'ASC' : 'DESC'}`,
    after,
    through ?? Number.MAX_SAFE_INTEGER,
    ...values,
  )
  const removed: Removed[] = []
  for (const row of rows) {
    if (matches(row)) removed.push({ ...toDamaged(row), reason: row.deleted === 1 ? 'deleted' : 'damaged' })
    if (removed.length === scanRows) break
  }
  return removed
}

/** Seq of the first noted message that matches; undefined when none matches. */
export function firstRemoved(reader: SqliteDatabase, topics: TopicFilter | undefined): Seq | undefined {
  const { sql, values, matches } = conditionOf(topics)
  for (const row of reader.rows(`SELECT "seq", "topic" FROM "Damage" WHERE ${sql} ORDER BY "seq"`, ...values))
    if (matches(row)) return Number(row.seq)
  return undefined
}

/** The plus keeps SQLite from using an index on topics: rows are read by seq. */
function conditionOf(topics: TopicFilter | undefined) {
  const { sql, values, matches } = namesOf('+"topic"', topics)
  return {
    sql: `("topic" IS NULL OR ${sql})`,
    values,
    matches: ({ topic }: Row) => topic === null || matches(String(topic)),
  }
}

export function findMissing(reader: SqliteDatabase, { after, limit }: { after: Seq; limit: number }): Missing[] {
  const rows = reader.rows(
    `SELECT d."seq", d."id", d."topic", d."firstSeenAt" FROM "Damage" AS d
      WHERE d."seq" > ? AND (d."topic" IS NULL OR d."topic" <> '') AND NOT EXISTS (SELECT 1 FROM "Message" AS m WHERE m."id" = d."id")
        AND NOT EXISTS (SELECT 1 FROM "SeenId" AS s WHERE s."id" = d."id")
      ORDER BY d."seq" LIMIT ?`,
    after,
    limit,
  )
  return Array.from(rows, ({ seq, id, topic, firstSeenAt }) => ({
    seq: Number(seq),
    id: String(id),
    topic: topic === null ? undefined : String(topic),
    firstSeenAt: Number(firstSeenAt),
  }))
}
