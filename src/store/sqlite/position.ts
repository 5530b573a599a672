import { setImmediate as nextTurn } from 'node:timers/promises'
import { everyTopic, type TopicFilter } from '../../model/topic.ts'
import { isPrefixPattern } from '../../model/topic-pattern.ts'
import type { LogPosition } from '../log-store.ts'
import { readTip } from './append.ts'
import { firstRemoved } from './damage.ts'
import type { SqliteDatabase } from './database.ts'
import { forgottenThrough } from './forgotten-topics.ts'
import { readPruneCount } from './prune.ts'
import { patternsAtOnce, rowsFor } from './scan.ts'
import { type Condition, nameCondition, topicCondition } from './topic-condition.ts'

type Ends = Omit<LogPosition, 'epoch'>

interface Topics {
  first: number | undefined
  pruned: number
  /** Undefined when the log may have changed meanwhile. */
  messages: number | undefined
}

/** Comparisons in a turn of the event loop: each takes up to a microsecond when pattern and topic have many levels. */
const maxComparisons = 20_000

const columns = `min(CASE WHEN "messages" > 0 THEN "firstSeq" END) AS first,
  max(CASE WHEN "prunedAt" > ? THEN "prunedThrough" END) AS pruned, sum("messages") AS messages`

/**
 * The ends of the log for a filter. An index finds the topics of names and of few beginnings. Other patterns are compared
 * with all topics, in steps, between which the log may change: the ends are then those before the first step.
 */
export async function readPosition(reader: SqliteDatabase, filter: TopicFilter | undefined, prunedSince: number): Promise<Ends> {
  const isStepwise = filter !== undefined && !isAtOnce(filter)
  while (isStepwise && compared >= maxComparisons) await nextTurn()
  const tip = readTip(reader)
  const pruneCount = readPruneCount(reader)
  const { first, pruned, messages } = isStepwise
    ? await readInSteps(reader, filter, prunedSince)
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

function isAtOnce({ patterns }: TopicFilter): boolean {
  return patterns.includes(everyTopic) || (patterns.length <= patternsAtOnce && patterns.every(isPrefixPattern))
}

function readAtOnce(reader: SqliteDatabase, { sql, values }: Condition, prunedSince: number): Topics {
  const row = reader.row(`SELECT ${columns} FROM "Topic" WHERE ${sql}`, prunedSince, ...values)
  return { first: numberOf(row?.first), pruned: Number(row?.pruned ?? 0), messages: Number(row?.messages ?? 0) }
}

async function readInSteps(reader: SqliteDatabase, filter: TopicFilter, prunedSince: number): Promise<Topics> {
  const rows = rowsFor(filter)
  const { sql, values } = topicCondition('"name"', filter)
  const all: Topics = { first: undefined, pruned: 0, messages: 0 }
  for (let after: string | undefined = ''; after !== undefined; ) {
    for (; compared >= maxComparisons; all.messages = undefined) await nextTurn()
    const last: unknown = reader.row('SELECT "name" FROM "Topic" WHERE "name" >= ? ORDER BY "name" LIMIT 1 OFFSET ?', after, rows)?.name
    const range = {
      sql: `"name" >= ?${last === undefined ? '' : ' AND "name" < ?'}`,
      values: last === undefined ? [after] : [after, String(last)],
    }
    const looked = Number(reader.row(`SELECT count(*) AS "topics" FROM "Topic" WHERE ${range.sql}`, ...range.values)?.topics)
    noteCompared(looked * filter.patterns.length)
    const step = readAtOnce(reader, { sql: `${range.sql} AND ${sql}`, values: [...range.values, ...values] }, prunedSince)
    all.first = Math.min(all.first ?? Number.POSITIVE_INFINITY, step.first ?? Number.POSITIVE_INFINITY)
    all.pruned = Math.max(all.pruned, step.pruned)
    if (all.messages !== undefined) all.messages += step.messages ?? 0
    after = last === undefined ? undefined : String(last)
  }
  return all
}

/** Comparisons of topics with patterns in this turn of the event loop, by all that read. */
let compared = 0

function noteCompared(comparisons: number): void {
  if (compared === 0 && comparisons > 0)
    setImmediate(() => {
      compared = 0
    })
  compared += comparisons
}

function numberOf(value: unknown): number | undefined {
  return value === null || value === undefined ? undefined : Number(value)
}
