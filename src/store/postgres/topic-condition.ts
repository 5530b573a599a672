import { everyTopic, type TopicFilter } from '../../model/topic.ts'
import { areRanges, patternRows } from '../shared/pattern-rows.ts'

/** Collects the parameters of a statement. */
export class Values {
  readonly list: unknown[] = []

  /** Adds a value and returns its placeholder. */
  add(value: unknown): string {
    return `$${this.list.push(value)}`
  }
}

/** No pattern matches direct messages (`directTopic`). Without patterns, an index finds the names. */
export function topicCondition(column: string, { exact, patterns }: TopicFilter, values: Values): string {
  const among = `${column} = ANY(${values.add(exact)}::text[])`
  if (patterns.length === 0) return among
  if (patterns.includes(everyTopic)) return `(${among} OR ${column} <> '')`
  return `(${among} OR ${column} <> '' AND EXISTS (SELECT 1 FROM ${patternTable(patterns, values)} WHERE ${matches(column)}))`
}

/** The condition for a name of the table of topics, whose index finds those that begin as a pattern does. */
export function nameCondition(column: string, filter: TopicFilter, values: Values): string {
  if (!areRanges(filter.patterns)) return topicCondition(column, filter, values)
  return `${column} IN (SELECT unnest(${values.add(filter.exact)}::text[]) UNION ALL SELECT n."name" FROM ${patternTable(filter.patterns, values)}
    JOIN "Topic" AS n ON n."name" >= p.prefix AND n."name" < p.past AND ${matches('n."name"')})`
}

function patternTable(patterns: string[], values: Values): string {
  const rows = patternRows(patterns, (text) => text.replaceAll(/[\\%_]/g, '\\$&'))
  const levels = rows.map(({ exact }) => exact?.split('.'))
  const counts = levels.map((each) => (each === undefined ? null : each.at(-1) === '>' ? each.length - 1 : each.length))
  const lists = [
    `${values.add(rows.map(({ prefix }) => prefix))}::text[]`,
    `${values.add(rows.map(({ end }) => end))}::text[]`,
    `${values.add(rows.map(({ wide }) => wide.replaceAll('*', '%')))}::text[]`,
    `${values.add(counts)}::integer[]`,
    `${values.add(levels.map((each) => each?.at(-1) === '>'))}::boolean[]`,
  ]
  return `unnest(${lists.join(', ')}) AS p(prefix, past, wide, levels, is_open)`
}

/**
 * LIKE, whose `%` also matches dots, spares most rows the rest. Then as many levels of the topic are compared as the
 * pattern has: so each `%` is one level, for no dot is to spare.
 */
function matches(column: string): string {
  const own = `string_to_array(${column}, '.')`
  const closed = `cardinality(${own}) = p.levels`
  const open = `cardinality(${own}) > p.levels AND array_to_string((${own})[1:p.levels], '.') LIKE left(p.wide, -2)`
  return `${column} LIKE p.wide AND (p.levels IS NULL OR CASE WHEN p.is_open THEN ${open} ELSE ${closed} END)`
}
