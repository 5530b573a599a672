import { z } from 'zod'
import { cursorSchema } from './cursor.ts'
import { directTopic, topicSchema } from './topic.ts'

/** The reason why messages are missing. */
export const gapReasonSchema = z.enum(['pruned', 'damaged', 'deleted', 'other-log']).meta({
  id: 'GapReason',
  description:
    '`pruned`: the messages exceeded the retention of the topic; without a topic, messages may have been pruned from topics that were forgotten since. `damaged`: the disk changed a stored message; a message of a topic is delivered again, with the same id and ' +
    'another cursor, once a peer provides it. `deleted`: a client with the action `admin` deleted the message here. `other-log`: the cursor belonged to a different log, or was invalid.',
  example: 'damaged',
})
export type GapReason = z.infer<typeof gapReasonSchema>

/** A range of messages that a reader does not receive. */
export const gapFields = {
  topic: topicSchema.optional(),
  direct: z
    .literal(true)
    .optional()
    .describe('Whether the gap is in direct messages. Without `topic` and `direct` it can affect any messages.'),
  from: cursorSchema,
  to: cursorSchema,
  reason: gapReasonSchema,
}

/** The fields of a gap that name its topic. */
export function placeOf(topic: string | undefined): { topic?: string; direct?: true } {
  if (topic === undefined) return {}
  return topic === directTopic ? { direct: true } : { topic }
}
