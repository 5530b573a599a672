import type { SQLInputValue } from 'node:sqlite'
import { everyTopic, type TopicFilter } from '../../model/topic.ts'
import { createTopicMatcher } from '../../model/topic-matcher.ts'
import { areRanges, patternRows } from '../shared/pattern-rows.ts'
import { areMany } from '../shared/topic-ends.ts'

/** An SQL condition and its values. */
export interface Condition {
  sql: string
  values: SQLInputValue[]
}

/**
 * Lists are passed as JSON, so that one prepared statement serves filters of any length. The rows of patterns are made
 * once for a statement (`MATERIALIZED`), not for each row that it compares. No pattern matches direct messages
 * (`directTopic`). Without patterns, an index finds the names.
 */
export function topicCondition(column: string, { exact, patterns }: TopicFilter): Condition {
  const among = `${column} IN (SELECT value FROM json_each(?))`
  const names = JSON.stringify(exact)
  if (patterns.length === 0) return { sql: among, values: [names] }
  if (patterns.includes(everyTopic)) return { sql: `(${among} OR ${column} <> '')`, values: [names] }
  return {
    sql: `(${among} OR ${column} <> '' AND EXISTS (WITH ${patternTable} SELECT 1 FROM p WHERE ${matches(column)}))`,
    values: [names, jsonOf(patterns)],
  }
}

/** The condition for topics of a filter; `matches` decides of those that fulfil it when the filter has many patterns. */
export function namesOf(column: string, filter: TopicFilter | undefined): Condition & { matches(topic: string): boolean } {
  if (filter === undefined) return { sql: 'true', values: [], matches: () => true }
  if (!areMany(filter)) return { ...topicCondition(column, filter), matches: () => true }
  return { sql: 'true', values: [], matches: createTopicMatcher(filter).matches }
}

/** The condition for the names of the table of topics, whose index finds those that begin as a pattern does. */
export function nameCondition(filter: TopicFilter): Condition {
  if (!areRanges(filter.patterns)) return topicCondition('"name"', filter)
  return {
    sql: `"name" IN (SELECT value FROM json_each(?) UNION ALL SELECT * FROM (WITH ${patternTable}
      SELECT t."name" FROM p CROSS JOIN "Topic" AS t WHERE t."name" >= p.prefix AND t."name" < p.end AND ${matches('t."name"')}))`,
    values: [JSON.stringify(filter.exact), jsonOf(filter.patterns)],
  }
}

const patternTable = `p AS MATERIALIZED (SELECT value ->> 'prefix' AS prefix, value ->> 'end' AS end, value ->> 'wide' AS wide,
  value ->> 'exact' AS exact FROM json_each(?))`

/** GLOB, whose stars also match dots, spares most rows the call of our function. */
function matches(column: string): string {
  return `${column} GLOB p.wide AND (p.exact IS NULL OR pattern_matches(p.exact, ${column}))`
}

function jsonOf(patterns: string[]): string {
  return JSON.stringify(patternRows(patterns, (text) => text.replaceAll(/[[?]/g, '[$&]')))
}
