/**
 * The syntax and the meaning of topics and patterns, as in NATS.
 *
 * A topic has levels, separated by `.`; every other character, `/` too, is an ordinary one. Names of other networks
 * are topics like all others: `/fil/blocks` has one level, and `a..b` has three, of which the second is empty.
 *
 * - `*` as a whole level matches any one level, also an empty one: `orders.*.paid`, `*`.
 * - `>` as the last level matches one or more levels: `orders.>`, and `>` for every topic.
 * - A pattern without either is a topic, and matches only itself.
 */

/** Maximum levels of a pattern with a wildcard, so that the cost of finding the patterns of a topic is bounded. */
export const maxPatternLevels = 16

const wildcard = /[*>]/

/** Whether a valid topic or pattern has a wildcard. No topic has these characters. */
export function isPattern(text: string): boolean {
  return wildcard.test(text)
}

/** The problem with the levels of a topic or pattern; undefined when they are valid. */
export function levelsProblem(pattern: string): string | undefined {
  const levels = pattern.split('.')
  const isValid = levels.every((level, index) => level === '*' || (level === '>' && index === levels.length - 1) || !isPattern(level))
  if (isValid) return isPattern(pattern) && levels.length > maxPatternLevels ? `must have at most ${maxPatternLevels} levels` : undefined
  return (
    'must have "*" only as a whole level and ">" only as the last level, and levels are separated by ".": ' +
    'write "orders.*" for the topics one level below, "orders.>" for all below, and ">" for every topic'
  )
}

/**
 * Whether a pattern matches a topic. The other may also be a pattern: then whether each topic that it matches is
 * matched. Both need not be valid: a `*` or `>` inside a level matches only itself.
 */
export function covers(pattern: string, other: string): boolean {
  for (let at = 0, otherAt = 0; ; ) {
    const end = endOfLevel(pattern, at)
    const otherEnd = endOfLevel(other, otherAt)
    const level = pattern.slice(at, end)
    if (level === '>') return true
    const otherLevel = other.slice(otherAt, otherEnd)
    if (level === '*' ? otherLevel === '>' : level !== otherLevel) return false
    if (end === pattern.length || otherEnd === other.length) return end === pattern.length && otherEnd === other.length
    at = end + 1
    otherAt = otherEnd + 1
  }
}

function endOfLevel(text: string, from: number): number {
  const end = text.indexOf('.', from)
  return end === -1 ? text.length : end
}

/** What every topic that the pattern matches begins with: its levels before the first wildcard, each with its dot. */
export function literalPrefix(pattern: string): string {
  const at = pattern.search(wildcard)
  return at === -1 ? pattern : pattern.slice(0, at)
}

/** Whether the pattern matches exactly the topics that begin with its literal prefix: its only wildcard is `>`. */
export function isPrefixPattern(pattern: string): boolean {
  return pattern === `${literalPrefix(pattern)}>`
}
