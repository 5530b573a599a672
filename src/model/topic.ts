import { z } from 'zod'
import { textProblem } from './text.ts'
import { covers, isPattern, levelsProblem, maxPatternLevels } from './topic-pattern.ts'

/** The longest topic, in bytes of UTF-8. */
export const maxTopicBytes = 256

const encoder = new TextEncoder()

/** The problem with a topic; undefined when it is valid. */
export function topicProblem(topic: string): string | undefined {
  return textOfTopicProblem(topic) ?? (isPattern(topic) ? 'must not contain "*" or ">"' : undefined)
}

/** The problem with a topic or a pattern; undefined when it is valid. */
export function topicPatternProblem(pattern: string): string | undefined {
  return textOfTopicProblem(pattern) ?? levelsProblem(pattern)
}

function textOfTopicProblem(text: string): string | undefined {
  if (text === '') return 'must not be empty'
  if (text === '.' || text === '..') return 'must not be "." or ".."'
  if (encoder.encode(text).length > maxTopicBytes) return `must be at most ${maxTopicBytes} bytes of UTF-8`
  return textProblem(text)
}

function check(problemOf: (text: string) => string | undefined) {
  return (text: string, ctx: z.core.$RefinementCtx): void => {
    const problem = problemOf(text)
    if (problem !== undefined) ctx.addIssue({ code: 'custom', message: problem, params: { code: 'invalid_topic' } })
  }
}

/**
 * What JSON Schema can say of these rules, with patterns that every common engine of regular expressions can read. A
 * character is at least a byte.
 */
const textBounds = { minLength: 1, maxLength: maxTopicBytes }

/** A character of a level in a pattern. */
const ofLevel = '[^\\x00-\\x1f\\x7f-\\x9f*>.]'
/** A character of a topic. */
const ofTopic = '[^\\x00-\\x1f\\x7f-\\x9f*>]'

/** Up to two dots are followed by another character, so that "." and ".." are not among them. */
const anyTopic = `\\.{0,2}${ofLevel}${ofTopic}*|\\.{3}${ofTopic}*`

const levelAndDot = `(\\*|${ofLevel}*)\\.`
/** A pattern has a maximum of levels, a topic has none. One that ends in a dot has a wildcard, or three levels before it. */
const anyPattern = [
  `(${levelAndDot}){0,${maxPatternLevels - 1}}(\\*|>|${ofLevel}+)`,
  `\\*\\.(${ofLevel}*\\.)?`,
  `${levelAndDot}\\*\\.`,
  `(${levelAndDot}){3,${maxPatternLevels - 1}}`,
].join('|')

export const topicSchema = z
  .string()
  .superRefine(check(topicProblem))
  .meta({
    id: 'Topic',
    description: 'A topic: 1–256 bytes of UTF-8 without control characters, `*` and `>`, not "." or "..". Levels are separated by `.`.',
    example: 'orders',
    ...textBounds,
    pattern: `^(${anyTopic})$`,
  })

export const topicPatternSchema = z
  .string()
  .superRefine(check(topicPatternProblem))
  .meta({
    id: 'TopicPattern',
    description:
      'A topic, or a pattern: `*` as a whole level matches any one level (`orders.*.paid`), `>` as the last level one or more ' +
      '(`orders.>`; `>` is every topic). Elsewhere in a pattern both are refused. A pattern with either has at most 16 levels.',
    example: 'orders.>',
    ...textBounds,
    pattern: `^(${anyPattern}|${anyTopic})$`,
  })

/** A set of topics: the exact ones, and those that a pattern with wildcards matches. */
export interface TopicFilter {
  exact: string[]
  patterns: string[]
}

/** Matches every topic. */
export const everyTopic = '>'

/** Matches every topic, but no direct messages. */
export const everything: TopicFilter = { exact: [], patterns: [everyTopic] }

/** The filter of topics without patterns. */
export function exactly(topics: string | string[]): TopicFilter {
  return { exact: [topics].flat(), patterns: [] }
}

/** Splits the topics and patterns of a request. */
export function topicFilter(topics: string[]): TopicFilter {
  const all = [...new Set(topics)]
  return { exact: all.filter((topic) => !isPattern(topic)), patterns: all.filter(isPattern) }
}

/** The topic of direct messages in the log: a name that is not a valid topic, and that no pattern matches. */
export const directTopic = ''

/** Adds direct messages to a filter, if requested. */
export function withDirect(filter: TopicFilter, direct: boolean | undefined): TopicFilter {
  return direct === true ? { ...filter, exact: [...filter.exact, directTopic] } : filter
}

/** What a subscription tells of. Deliveries are those of direct messages, and need the same right. */
export function subscriptionFilter(asked: {
  topics?: string[] | undefined
  direct?: boolean | undefined
  deliveries?: boolean | undefined
}): TopicFilter {
  return withDirect(topicFilter(asked.topics ?? []), asked.direct === true || asked.deliveries === true)
}

/** The exact topics of a filter, without direct messages. */
export function topicsOf({ exact }: TopicFilter): string[] {
  return exact.filter((topic) => topic !== directTopic)
}

/** A filter as clients write it. Direct messages have no pattern. */
export function patternsOf(filter: TopicFilter): string[] {
  return [...topicsOf(filter), ...filter.patterns]
}

/**
 * Whether a filter matches a topic, or direct messages (`directTopic`), which no pattern matches. Also takes a pattern:
 * then whether the filter has one that covers it.
 */
export function matchesTopic(filter: TopicFilter, topic: string): boolean {
  return filter.exact.includes(topic) || (topic !== directTopic && filter.patterns.some((pattern) => covers(pattern, topic)))
}
