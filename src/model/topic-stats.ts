import { z } from 'zod'
import { cursorSchema } from './cursor.ts'
import { peerIdSchema } from './peer.ts'
import { topicSchema } from './topic.ts'

const keeps = z.int().min(0)

/** What a topic keeps, as a client sets it. */
export const retentionInputSchema = z
  .strictObject({
    maxAgeMs: keeps.nullable().optional().describe('Messages are kept for so many milliseconds.'),
    maxMessages: keeps.nullable().optional().describe('So many messages are kept.'),
    maxBytes: keeps.nullable().optional().describe('So many bytes of data are kept.'),
  })
  .meta({ id: 'RetentionInput', description: '0 is without limit, null the default of the gateway; what is left out stays as it is.' })

const retentionSchema = z
  .object({
    maxAgeMs: keeps.describe('Messages are kept for so many milliseconds.'),
    maxMessages: keeps.describe('So many messages are kept.'),
    maxBytes: keeps.describe('So many bytes of data are kept.'),
  })
  .meta({ id: 'Retention', description: 'What is kept; 0 is without limit. What is more is pruned, oldest first.' })

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
