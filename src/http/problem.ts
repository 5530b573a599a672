import { z } from 'zod'
import { conditions, type PeergateError } from '../errors.ts'
import { cursorSchema } from '../model/cursor.ts'
import { errorDetailSchema } from '../model/error-detail.ts'

export const problemType = 'application/problem+json'

const codeSchema = z.string().meta({
  id: 'ProblemCode',
  description: 'The kind of error, for programs (docs/errors.md). New codes can appear at any time.',
  example: 'topic_not_found',
  'x-extensible-enum': conditions.map(({ code }) => code).toSorted(),
})

/** An error as a problem document (RFC 9457). */
export const problemSchema = z
  .object({
    type: z.string().describe('`urn:peergate:error:` followed by the code.').meta({ example: 'urn:peergate:error:topic_not_found' }),
    title: z.string().describe('The kind of error, for people.'),
    status: z.int().min(400).max(599),
    detail: z.string().describe('Details of this occurrence, for people.'),
    instance: z
      .string()
      .describe('Id of this request, also in the log of the gateway.')
      .meta({ example: 'urn:uuid:3f0b7a52-6c58-4f0c-9a5e-0d0f4c1b8a11' }),
    code: codeSchema,
    retryable: z.boolean().describe('Whether the same request may succeed later.'),
    errors: z.array(errorDetailSchema).optional().describe('Problems by field, parameter or address; at most ten.'),
    earliest: cursorSchema.optional().describe('The position before the oldest matching message; only with the codes `cursor_…`.'),
    latest: cursorSchema.optional().describe('The position of the newest message; only with the codes `cursor_…`.'),
    epoch: z.string().optional().describe('Epoch of the current log; only with the codes `cursor_…`.'),
    budget: z.string().optional().describe('The budget that is spent, `token` or `address`; only with the code `rate_limited`.'),
  })
  .meta({ id: 'Problem', description: 'An error (RFC 9457).' })
export type Problem = z.infer<typeof problemSchema>

/** @param requestId a UUID, also in the log */
export function toProblem(error: PeergateError, requestId: string): Problem {
  return {
    type: `urn:peergate:error:${error.code}`,
    title: error.title,
    status: error.status,
    detail: error.message,
    instance: `urn:uuid:${requestId}`,
    code: error.code,
    retryable: error.retryable,
    ...(error.errors === undefined ? {} : { errors: error.errors }),
    ...error.extensions,
  }
}

/**
 * Default waits before a retry, in milliseconds: for a condition that passes by itself, and for one that an operator
 * must fix.
 */
const defaultRetryAfterMs = { retryable: 1_000, mended: 60_000 } as const

/** Seconds for `Retry-After`, rounded up; undefined when the client need not wait. */
export function retryAfterSeconds(error: PeergateError): number | undefined {
  const waits = error.status === 429 || error.status === 503 || (error.status === 409 && error.retryAfterMs !== undefined)
  if (!waits) return undefined
  const ms = error.retryAfterMs ?? defaultRetryAfterMs[error.retryable ? 'retryable' : 'mended']
  return Math.max(1, Math.ceil(ms / 1_000))
}
