import { z } from 'zod'
import { textProblem } from './text.ts'

/** The longest topic, in bytes of UTF-8. */
export const maxTopicBytes = 256

const encoder = new TextEncoder()

/** `>` has no meaning in patterns yet. It is reserved, so that it can get one without a change for names in use. */
const wildcard = /[*>]/

/** The problem with a topic; undefined when it is valid. */
export function topicProblem(topic: string): string | undefined {
  return textOfTopicProblem(topic) ?? (wildcard.test(topic) ? 'must not contain "*" or ">"' : undefined)
}

/** The problem with a topic or a pattern; undefined when it is valid. */
export function topicPatternProblem(pattern: string): string | undefined {
  const prefix = pattern.endsWith('*') ? pattern.slice(0, -1) : pattern
  return textOfTopicProblem(pattern) ?? (wildcard.test(prefix) ? 'must have "*" only as its last character, and no ">"' : undefined)
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

export const topicSchema = z
  .string()
  .superRefine(check(topicProblem))
  .meta({
    id: 'Topic',
    description: 'A topic: 1–256 bytes of UTF-8 without control characters, `*` and `>`, not "." or "..".',
    example: 'orders',
    ...textBounds,
    pattern: '^[^\\x00-\\x1f\\x7f-\\x9f*>]+$',
  })

export const topicPatternSchema = z
  .string()
  .superRefine(check(topicPatternProblem))
  .meta({
    id: 'TopicPattern',
    description:
      'A topic, or a pattern with a trailing `*`, which matches every topic with that prefix. `*` elsewhere and `>` are refused.',
    example: 'orders.*',
    ...textBounds,
    pattern: '^[^\\x00-\\x1f\\x7f-\\x9f*>]*\\*?$',
  })

/**
 * A set of topics: the exact ones, and those that begin with one of the prefixes.
 * A pattern's trailing `*` is removed here, so the prefix of `*` is the empty string, which matches every topic.
 */
export interface TopicFilter {
  exact: string[]
  prefixes: string[]
}

/** Matches every topic, but no direct messages. */
export const everything: TopicFilter = { exact: [], prefixes: [''] }

/** The filter of topics without patterns. */
export function exactly(topics: string | string[]): TopicFilter {
  return { exact: [topics].flat(), prefixes: [] }
}

/** Splits the topics and patterns of a request. */
export function topicFilter(patterns: string[]): TopicFilter {
  const exact = new Set<string>()
  const prefixes = new Set<string>()
  for (const pattern of patterns) {
    if (pattern.endsWith('*')) prefixes.add(pattern.slice(0, -1))
    else exact.add(pattern)
  }
  return { exact: [...exact], prefixes: [...prefixes] }
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
  return [...topicsOf(filter), ...filter.prefixes.map((prefix) => `${prefix}*`)]
}

export function matchesTopic(filter: TopicFilter, topic: string): boolean {
  return filter.exact.includes(topic) || (topic !== directTopic && filter.prefixes.some((prefix) => topic.startsWith(prefix)))
}
