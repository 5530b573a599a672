import { z } from 'zod'
import { cursorSchema } from './cursor.ts'
import { directTopic, topicSchema } from './topic.ts'

/** Why messages are not there: the topic keeps no more, the disk has changed them, or they were of another log. */
export const gapReasonSchema = z.enum(['pruned', 'damaged', 'other-log']).meta({
  id: 'GapReason',
  description:
    '`pruned`: the topic keeps no more; where no topic is named, something may have been pruned of topics that were forgotten since. `damaged`: the disk has changed a stored message; one of a topic comes again, under its id and with ' +
    'another cursor, when a peer has it. `other-log`: the cursor was of another log, or none.',
  example: 'damaged',
})
export type GapReason = z.infer<typeof gapReasonSchema>

/** Messages that a reader is not given. */
export const gapFields = {
  topic: topicSchema.optional(),
  direct: z.literal(true).optional().describe('Of direct messages. With neither `topic` nor `direct` they may be of any.'),
  from: cursorSchema,
  to: cursorSchema,
  reason: gapReasonSchema,
}

/** How a gap says of what it is. */
export function placeOf(topic: string | undefined): { topic?: string; direct?: true } {
  if (topic === undefined) return {}
  return topic === directTopic ? { direct: true } : { topic }
}
