import type { z } from 'zod'

const types: Record<string, string> = {
  string: 'a string',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'an object',
  record: 'an object',
  array: 'a list',
  null: 'null',
}

/**
 * What is wrong with a value, to follow its name in a sentence. For schemas that have no words of their own: it is the
 * `error` option of zod's `parse`.
 */
export function issueText(issue: z.core.$ZodRawIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined ? 'is missing' : `must be ${types[issue.expected] ?? 'of another type'}`
    case 'too_small':
      return `must ${size(issue.origin)} at least ${issue.minimum}${unit(issue.origin, issue.minimum)}`
    case 'too_big':
      return `must ${size(issue.origin)} at most ${issue.maximum}${unit(issue.origin, issue.maximum)}`
    case 'invalid_format':
      return issue.format === 'datetime' ? 'must be a time as in RFC 3339, like 2026-11-23T12:00:00Z' : 'does not have the right form'
    case 'invalid_value':
      if (issue.input === undefined) return 'is missing'
      return `must be ${issue.values.length === 1 ? '' : 'one of '}${issue.values.map((value) => JSON.stringify(value)).join(', ')}`
    case 'unrecognized_keys':
      return 'has unknown fields'
    default:
      return 'is not valid'
  }
}

function size(origin: string): 'have' | 'be' {
  return origin === 'string' || origin === 'array' ? 'have' : 'be'
}

function unit(origin: string, count: number | bigint): string {
  const noun = { string: 'character', array: 'item' }[origin]
  if (noun === undefined) return ''
  return Number(count) === 1 ? ` ${noun}` : ` ${noun}s`
}
