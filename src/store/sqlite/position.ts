import type { TopicFilter } from '../../model/topic.ts'
import type { LogPosition, PayComparisons } from '../log-store.ts'
import { findTopicEnds, firstComparisons, isAtOnce, type TopicEnds, type TopicRow, turnToCompare } from '../shared/topic-ends.ts'
import { readTip } from './append.ts'
import { firstRemoved } from './damage.ts'
import type { SqliteDatabase } from './database.ts'
import { forgottenThrough } from './forgotten-topics.ts'
import { readPruneCount } from './prune.ts'
import { type Condition, nameCondition } from './topic-condition.ts'

const columns = `min(CASE WHEN "messages" > 0 THEN "firstSeq" END) AS first,
  max(CASE WHEN "prunedAt" > ? THEN "prunedThrough" END) AS pruned, sum("messages") AS messages`
const rowColumns = '"name", "messages", "firstSeq", "prunedThrough", "prunedAt"'

/**
 * The ends of the log for a filter. An index finds the topics of names and of few beginnings. Other patterns are compared
 * with all topics, in steps, between which the log may change: the ends are then those before the first step.
 */
export async function readPosition(
  reader: SqliteDatabase,
  query: { filter: TopicFilter | undefined; prunedSince: number; pay: PayComparisons },
): Promise<Omit<LogPosition, 'epoch'>> {
  const { filter, prunedSince, pay } = query
  const isStepwise = filter !== undefined && !isAtOnce(filter)
  // Before the ends of the log are read: a filter of which one turn compares all topics has all from one state of the log.
  if (isStepwise) await turnToCompare(firstComparisons)
  const tip = readTip(reader)
  const pruneCount = readPruneCount(reader)
  const { first, pruned, messages } = isStepwise
    ? await findTopicEnds({ filter, prunedSince }, { read: (after, limit) => readTopics(reader, after, limit), pay })
    : readAtOnce(reader, filter === undefined ? { sql: 'true', values: [] } : nameCondition(filter), prunedSince)
  const oldest = Math.min(first ?? tip + 1, tip + 1)
  return {
    tip,
    earliest: Math.min(oldest, firstRemoved(reader, filter) ?? oldest) - 1,
    prunedThrough: Math.max(pruned, forgottenThrough(reader, filter, prunedSince)),
    pruneCount,
    messages,
  }
}

function readAtOnce(reader: SqliteDatabase, { sql, values }: Condition, prunedSince: number): TopicEnds {
  const row = reader.row(`SELECT ${columns} FROM "Topic" WHERE ${sql}`, prunedSince, ...values)
  return { first: numberOf(row?.first), pruned: Number(row?.pruned ?? 0), messages: Number(row?.messages ?? 0) }
}

function readTopics(reader: SqliteDatabase, after: string | undefined, limit: number): TopicRow[] {
  const condition = after === undefined ? '"name" >= ?' : '"name" > ?'
  const rows = reader.rows(`SELECT ${rowColumns} FROM "Topic" WHERE ${condition} ORDER BY "name" LIMIT ?`, after ?? '', limit)
  return Array.from(rows, ({ name, messages, firstSeq, prunedThrough, prunedAt }) => ({
    name: String(name),
    messages: Number(messages),
    firstSeq: Number(firstSeq),
    prunedThrough: Number(prunedThrough),
    prunedAt: Number(prunedAt),
  }))
}

function numberOf(value: unknown): number | undefined {
  return value === null || value === undefined ? undefined : Number(value)
}
