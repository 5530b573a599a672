import type { Seq } from '../../model/cursor.ts'
import { type TopicFilter, topicsOf } from '../../model/topic.ts'
import type { ForgetTopicsQuery } from '../log-store.ts'
import type { SqliteDatabase } from './database.ts'

/** Topics without joins, messages or limits of their own, the longest empty first. */
const findForgettable = `SELECT "name", "emptySince", "prunedThrough", "prunedAt" FROM "Topic"
  WHERE "emptySince" >= 0 AND NOT "joined" AND "maxAgeMs" IS NULL AND "maxMessages" IS NULL AND "maxBytes" IS NULL AND "name" <> ''
    AND NOT EXISTS (SELECT 1 FROM "TopicJoin" AS j WHERE j."topic" = "name")
    AND NOT EXISTS (SELECT 1 FROM "Message" AS m WHERE m."topic" = "name")
  ORDER BY "emptySince" LIMIT ?`
const countEmpty = `SELECT count(*) AS "topics" FROM (SELECT 1 FROM "Topic" WHERE "emptySince" >= 0 LIMIT ?)`
const raiseFloor = `UPDATE "Log" SET "forgottenThrough" = max("forgottenThrough", ?), "forgottenAt" = max("forgottenAt", ?)`

/**
 * Forgets topics, and notes, in the caller's transaction, their newest pruned message and newest step of pruning.
 * Returns how many.
 */
export function forgetTopics(writer: SqliteDatabase, { emptyBefore, maxEmpty, limit }: ForgetTopicsQuery): number {
  const excess = Number(writer.row(countEmpty, maxEmpty + limit)?.topics) - maxEmpty
  const oldest = [...writer.rows(findForgettable, limit)]
  const gone = oldest.filter(({ emptySince }, index) => Number(emptySince) < emptyBefore || index < excess)
  for (const { name, prunedThrough, prunedAt } of gone) {
    writer.run('DELETE FROM "Topic" WHERE "name" = ?', name ?? null)
    writer.run(raiseFloor, prunedThrough ?? 0, prunedAt ?? 0)
  }
  return gone.length
}

/**
 * A topic that gets messages again knows what was pruned since then; for earlier messages the common mark of forgotten
 * topics applies. Call it for the topics of an append, in its transaction.
 */
export function rememberTopic(writer: SqliteDatabase, topic: string): void {
  writer.run(
    `UPDATE "Topic" SET "emptySince" = NULL,
      "prunedThrough" = CASE WHEN "emptySince" = 0 THEN max("prunedThrough", (SELECT "forgottenThrough" FROM "Log")) ELSE "prunedThrough" END,
      "prunedAt" = CASE WHEN "emptySince" = 0 THEN max("prunedAt", (SELECT "forgottenAt" FROM "Log")) ELSE "prunedAt" END
      WHERE "name" = ? AND "emptySince" >= 0`,
    topic,
  )
}

/**
 * The seq up to which messages of forgotten topics that the filter matches may have been pruned after a step of
 * pruning. 0 when there are none, or when every topic that the filter names is remembered.
 */
export function forgottenThrough(reader: SqliteDatabase, filter: TopicFilter | undefined, prunedSince: number): Seq {
  const through = reader.row('SELECT "forgottenThrough" FROM "Log" WHERE "forgottenAt" > ?', prunedSince)?.forgottenThrough ?? 0
  return through === 0 || areRemembered(reader, filter) ? 0 : Number(through)
}

function areRemembered(reader: SqliteDatabase, filter: TopicFilter | undefined): boolean {
  if (filter === undefined || filter.patterns.length > 0) return false
  const names = new Set(topicsOf(filter))
  const row = reader.row(
    `SELECT count(*) AS "topics" FROM "Topic" WHERE "name" IN (SELECT value FROM json_each(?)) AND ("emptySince" IS NULL OR "emptySince" > 0)`,
    JSON.stringify([...names]),
  )
  return Number(row?.topics) === names.size
}
