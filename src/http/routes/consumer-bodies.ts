import { z } from 'zod'
import {
  ackFields,
  ackIdsSchema,
  ackVerdictSchema,
  consumerChangeSchema,
  consumerOrderSchema,
  consumerTopicsSchema,
  handedOutSchema,
  retryDelaySchema,
  settledNamesSchema,
} from '../../model/consumer.ts'
import { cursorSchema, positionSchema } from '../../model/cursor.ts'
import { messageSchema } from '../../model/message.ts'
import { wantedEncodingSchema } from '../../model/payload.ts'
import { subscriptionFilter, type TopicFilter } from '../../model/topic.ts'
import { maxPageSize, maxWaitMs } from '../inputs.ts'
import type { Asked } from '../topic-rights.ts'

/** What is sent to consumers, and what they answer. */

export const createSchema = z
  .strictObject({
    topics: consumerTopicsSchema.optional(),
    direct: z.boolean().optional().describe('Whether to include direct messages; the token must allow `direct`.'),
    order: consumerOrderSchema.optional(),
    after: positionSchema.optional().describe('Where a new consumer begins. Default: `latest`.'),
    ...consumerChangeSchema.shape,
  })
  .meta({ id: 'ConsumerInput', description: 'A consumer. It needs at least one topic or pattern, or `direct`.' })

/** The topics of the body. */
export function topicsOfConsumer({ body }: Asked): TopicFilter {
  return subscriptionFilter(createSchema.parse(body))
}

export const pullSchema = z
  .strictObject({
    limit: z.int().min(1).max(maxPageSize).optional().describe('Maximum number of messages. Default: 50.'),
    waitMs: z
      .int()
      .min(0)
      .max(maxWaitMs)
      .optional()
      .describe('Maximum time to wait for a first message before an empty answer is given, in milliseconds. Default: 0.'),
    encoding: wantedEncodingSchema,
  })
  .meta({ id: 'PullInput', description: 'How many messages a worker takes.' })

export const pulledSchema = z.object({ items: z.array(handedOutSchema) }).meta({ id: 'PulledMessages' })

export const ackSchema = z
  .strictObject({ ...ackFields, verdict: ackVerdictSchema.optional(), delayMs: retryDelaySchema.optional() })
  .meta({ id: 'AckInput', description: 'What a worker says of messages. Default verdict: `ack`.' })

export const settledSchema = z
  .object({
    settled: settledNamesSchema.describe('Those of `ids` or `claims` that this settled.'),
    unknown: settledNamesSchema.describe('The others: settled before or, with `retry` and `progress`, no longer with that worker.'),
  })
  .meta({ id: 'SettledMessages' })

export const parkedSchema = z
  .object({
    items: z.array(
      z
        .object({
          id: messageSchema.shape.id,
          cursor: cursorSchema,
          attempts: z.int(),
          message: messageSchema.optional().describe('Absent when it is no longer in the log.'),
        })
        .meta({ id: 'ParkedMessage' }),
    ),
    next: z.string().nullable().describe('Value of `after` for the next page; null on the last page.'),
  })
  .meta({ id: 'ParkedPage' })

export const replaySchema = z
  .strictObject({ ids: ackIdsSchema.optional().describe('Ids of parked messages. Default: all of them.') })
  .meta({ id: 'ReplayInput' })
export const replayedSchema = z
  .object({ replayed: z.int().describe('Number of messages that wait for a worker again.') })
  .meta({ id: 'ReplayedMessages' })
