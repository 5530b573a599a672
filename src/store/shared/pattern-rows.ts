import type { TopicFilter } from '../../model/topic.ts'
import { isPrefixPattern, literalPrefix } from '../../model/topic-pattern.ts'
import { scanRows } from '../log-store.ts'
import { afterPrefix } from './after-prefix.ts'

/**
 * A pattern as SQL compares it. A topic that it matches begins with `prefix`; `end` is the first text after all that
 * begin so, unless the prefix is empty. Those that also match `wide`, in which a `*` is any text, may match. Among
 * these `exact` decides; null when all of them match.
 */
export interface PatternRow {
  prefix: string
  end: string
  wide: string
  exact: string | null
}

/** @param literal makes a text without `*` literal in the notation of `wide` */
export function patternRows(patterns: string[], literal: (text: string) => string): PatternRow[] {
  return patterns.map((pattern) => {
    const prefix = literalPrefix(pattern)
    const levels = pattern.split('.').map((level) => (level === '>' ? '*' : literal(level)))
    return { prefix, end: afterPrefix(prefix), wide: levels.join('.'), exact: isPrefixPattern(pattern) ? null : pattern }
  })
}

/** Whether an index on names finds the topics of the patterns: each begins with a text of its own. */
export function areRanges(patterns: string[]): boolean {
  return patterns.length > 0 && patterns.every((pattern) => literalPrefix(pattern) !== '')
}

/** Patterns that are compared with all rows of a step, or of the table of topics, at once. */
export const patternsAtOnce = 10

/**
 * How many rows a step may scan: fewer with many patterns that are more than a beginning, each of which may take 3 µs of
 * a row when both have many levels.
 */
export function rowsFor(topics: TopicFilter | undefined): number {
  const patterns = topics?.patterns.filter((pattern) => !isPrefixPattern(pattern)).length ?? 0
  return Math.ceil(scanRows / Math.max(1, patterns / patternsAtOnce))
}
