import { z } from 'zod'
import { PeergateError } from '../errors.ts'
import { parsePeerId, peerIdSchema } from '../model/peer.ts'
import { timeSchema } from '../model/time.ts'
import { topicPatternSchema, topicSchema } from '../model/topic.ts'

/** Parameters that several routes share. */

export const maxPageSize = 500
/** Maximum number of topics and patterns in a query. */
export const maxQueryTopics = 100

export const limitQuery = z
  .preprocess(wholeNumber, z.int(`must be a whole number from 1 to ${maxPageSize}`).min(1).max(maxPageSize).default(50))
  .describe('Maximum number of items in a page.')

/** A peer id in any of its forms. The output is its base58 form. */
export const peerIdInput = peerIdSchema.transform((text, context) => {
  try {
    return parsePeerId(text)
  } catch (error) {
    if (!(error instanceof PeergateError)) throw error
    context.addIssue({ code: 'custom', message: 'must be a peer id, which looks like 12D3KooW…', params: { code: error.code } })
    return z.NEVER
  }
})

export const peerIdParams = z.strictObject({ peerId: peerIdInput })
export const topicParams = z.strictObject({ topic: topicSchema })

/** `?topic=a&topic=b.*` */
export const topicsQuery = z
  .preprocess((value) => (typeof value === 'string' ? [value] : value), z.array(topicPatternSchema).max(maxQueryTopics))
  .describe('Topics or patterns, such as `orders.*.paid` and `orders.>`. Repeat the parameter for several.')

export const timeQuery = timeSchema.transform(Date.parse)

/** A number of connected peers. */
export const countQuery = z.preprocess(wholeNumber, z.int('must be a whole number from 0 to 1000').min(0).max(1_000))

/** Maximum time that a request can wait, in milliseconds: below the usual idle timeout of proxies (60 s). */
export const maxWaitMs = 55_000
export const waitQuery = z.preprocess(wholeNumber, z.int(`must be a whole number from 0 to ${maxWaitMs}`).min(0).max(maxWaitMs))

export const flagQuery = z.preprocess(flag, z.boolean('must be true or false').default(false))

function flag(value: unknown): unknown {
  return value === 'true' || value === 'false' ? value === 'true' : value
}

function wholeNumber(value: unknown): unknown {
  return typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value
}
