import type { z } from 'zod'
import { InvalidMultiaddr, InvalidPeerId, InvalidRequest, InvalidTopic, maxErrorDetails, type PeergateError } from '../errors.ts'
import { issueText } from '../lib/issue-text.ts'
import { jsonPointer } from '../lib/json-pointer.ts'
import { boundsOf } from './bounds.ts'

/** Errors by the `params.code` of a custom issue, so that a bad topic is `invalid_topic` in any field. */
const named = { invalid_topic: InvalidTopic, invalid_multiaddr: InvalidMultiaddr, invalid_peer_id: InvalidPeerId } as const

/**
 * Converts schema issues to an error, whose class is that of the first issue with an error code. Each issue becomes a
 * detail.
 */
export function invalidInput(what: string, issues: readonly z.core.$ZodIssue[]): PeergateError {
  const leaves = issues.slice(0, maxErrorDetails).flatMap(inBranch).slice(0, maxErrorDetails)
  const found = leaves.flatMap(problems).slice(0, maxErrorDetails)
  const errors = found.map(({ path, message }) => ({ path: jsonPointer(path), message }))
  const detail = `${what}: ${found.map(({ path, message }) => sentence(path, message)).join('; ')}`
  for (const issue of leaves) {
    const code = issue.code === 'custom' ? issue.params?.['code'] : undefined
    for (const [name, Condition] of Object.entries(named)) if (code === name) return new Condition(detail, { errors })
  }
  return new InvalidRequest(detail, { errors })
}

/** A problem for people, such as `messages.1.data must be a string`. */
function sentence(path: PropertyKey[], message: string): string {
  return path.length === 0 ? message : `${path.map(String).join('.')} ${message}`
}

/** Expands a union issue to the issues of the branch that matches the type of the value. */
function inBranch(issue: z.core.$ZodIssue): z.core.$ZodIssue[] {
  if (issue.code !== 'invalid_union') return [issue]
  const meant = issue.errors.find((branch) => !branch.some(({ code, path }) => code === 'invalid_type' && path.length === 0))
  if (meant === undefined) return [issue]
  return meant.slice(0, maxErrorDetails).flatMap((inner) => inBranch({ ...inner, path: [...issue.path, ...inner.path] }))
}

function problems({ path, ...issue }: z.core.$ZodIssue): Array<{ path: PropertyKey[]; message: string }> {
  if (issue.code !== 'unrecognized_keys') return [{ path, message: issue.message }]
  return issue.keys.slice(0, maxErrorDetails).map((key) => ({ path: [...path, key], message: 'is unknown' }))
}

/** The result of parsing input: its value, or the error. */
export type Parsed<Value> = { value: Value; error?: never } | { error: PeergateError }

/**
 * Validates input by a schema, lengths first, so that a refusal costs constant time.
 * @throws Error at once when the schema has an unbounded length
 */
export function inputParser<Schema extends z.ZodType>(schema: Schema): (value: unknown, what: string) => Parsed<z.output<Schema>> {
  const bounds = boundsOf(schema)
  return (value, what) => {
    const excess = bounds(value)
    if (excess !== undefined) return { error: invalidInput(what, excess) }
    const { data, error } = schema.safeParse(value, { error: issueText })
    return error === undefined ? { value: data } : { error: invalidInput(what, error.issues) }
  }
}
