import type { z } from 'zod'
import {
  type ErrorDetail,
  InvalidMultiaddr,
  InvalidPeerId,
  InvalidRequest,
  InvalidTopic,
  maxErrorDetails,
  type PeergateError,
} from '../errors.ts'
import { boundsOf } from './bounds.ts'

/** Errors by the `params.code` of a custom issue, so that a bad topic is `invalid_topic` in any field. */
const named = { invalid_topic: InvalidTopic, invalid_multiaddr: InvalidMultiaddr, invalid_peer_id: InvalidPeerId } as const

/**
 * Converts schema issues to an error, whose class is that of the first issue with an error code. Each issue becomes a
 * detail.
 */
export function invalidInput(what: string, issues: readonly z.core.$ZodIssue[]): PeergateError {
  const leaves = issues.slice(0, maxErrorDetails).flatMap(inBranch).slice(0, maxErrorDetails)
  const errors = leaves.flatMap(details).slice(0, maxErrorDetails)
  const detail = `${what}: ${errors.map(({ path, message }) => (path === '' ? message : `${path} ${message}`)).join('; ')}`
  for (const issue of leaves) {
    const code = issue.code === 'custom' ? issue.params?.['code'] : undefined
    for (const [name, Condition] of Object.entries(named)) if (code === name) return new Condition(detail, { errors })
  }
  return new InvalidRequest(detail, { errors })
}

/** Expands a union issue to the issues of the branch that matches the type of the value. */
function inBranch(issue: z.core.$ZodIssue): z.core.$ZodIssue[] {
  if (issue.code !== 'invalid_union') return [issue]
  const meant = issue.errors.find((branch) => !branch.some(({ code, path }) => code === 'invalid_type' && path.length === 0))
  if (meant === undefined) return [issue]
  return meant.slice(0, maxErrorDetails).flatMap((inner) => inBranch({ ...inner, path: [...issue.path, ...inner.path] }))
}

function details(issue: z.core.$ZodIssue): ErrorDetail[] {
  const path = issue.path.map(String).join('.')
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.slice(0, maxErrorDetails).map((key) => ({ path: path === '' ? key : `${path}.${key}`, message: 'is unknown' }))
  }
  return [{ path, message: issue.message }]
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
    const { data, error } = schema.safeParse(value)
    return error === undefined ? { value: data } : { error: invalidInput(what, error.issues) }
  }
}
