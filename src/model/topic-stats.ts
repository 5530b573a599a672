import { z } from 'zod'
import { cursorSchema } from './cursor.ts'
import { peerIdSchema } from './peer.ts'
import { retentionSchema } from './retention.ts'
import { topicSchema } from './topic.ts'

/** A topic as clients see it: what is stored of it and who else is there. */
export const topicStatsSchema = z
  .object({
    topic: topicSchema,
    joined: z.boolean().describe('Whether this gateway receives the messages of the topic.'),
    messages: z.int().min(0).describe('Stored messages.'),
    bytes: z.int().min(0).describe('Bytes of their data.'),
    earliest: cursorSchema.nullable().describe('The position before the oldest stored message; null when there is none.'),
    latest: cursorSchema.nullable().describe('The position of the newest stored message; null when there is none.'),
    retention: retentionSchema,
    subscribers: z.int().min(0).describe('Connected peers known to have joined the topic.'),
    gateway: peerIdSchema.describe('The gateway that answers, and whose peers `subscribers` counts.'),
  })
  .meta({ id: 'TopicStats' })
export type TopicStats = z.infer<typeof topicStatsSchema>
