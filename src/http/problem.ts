import { z } from 'zod'
import type { PeergateError } from '../errors.ts'
import { cursorSchema } from '../model/cursor.ts'

export const problemType = 'application/problem+json'

/** An error as a problem document (RFC 9457). */
export const problemSchema = z
  .object({
    type: z.string().describe('`urn:peergate:error:` and the code.').meta({ example: 'urn:peergate:error:topic_not_found' }),
    title: z.string().describe('What kind of error it is, for people.'),
    status: z.int(),
    detail: z.string().describe('What went wrong this time, for people.'),
    instance: z
      .string()
      .describe('Names this request in the log of the gateway.')
      .meta({ example: 'urn:uuid:3f0b7a52-6c58-4f0c-9a5e-0d0f4c1b8a11' }),
    code: z.string().describe('The kind of error, for programs. There may be new ones at any time.').meta({ example: 'topic_not_found' }),
    retryable: z.boolean().describe('Whether the same request may succeed later.'),
    errors: z
      .array(z.object({ path: z.string(), message: z.string() }))
      .optional()
      .describe('What is wrong with which field or parameter, or which address.'),
    earliest: cursorSchema.optional().describe('With the codes `cursor_…`: the position before the oldest message that matches.'),
    latest: cursorSchema.optional().describe('With the codes `cursor_…`: the position of the newest message.'),
    epoch: z.string().optional().describe('With the codes `cursor_…`: names the log that is here now.'),
  })
  .meta({ id: 'Problem', description: 'An error (RFC 9457).' })
export type Problem = z.infer<typeof problemSchema>

/** @param requestId a UUID, which the log names too */
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

/** What a client waits when a condition does not say for how long: one that passes by itself, and one that somebody must mend. */
const defaultRetryAfterMs = { retryable: 1_000, mended: 60_000 } as const

/** Seconds for `Retry-After`, rounded up; undefined when the status has none. */
export function retryAfterSeconds(error: PeergateError): number | undefined {
  if (error.status !== 429 && error.status !== 503) return undefined
  const ms = error.retryAfterMs ?? defaultRetryAfterMs[error.retryable ? 'retryable' : 'mended']
  return Math.max(1, Math.ceil(ms / 1_000))
}
