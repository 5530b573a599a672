import { isPrefixPattern, literalPrefix } from '../../model/topic-pattern.ts'
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
