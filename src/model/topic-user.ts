import { z } from 'zod'

/** A client because of which a topic is joined. */
export const topicUserSchema = z
  .object({
    client: z
      .string()
      .describe(
        'Who it is: the id of a token; `local` for programs on the host of a gateway, and `address` with the address for others, ' +
          'that need no token; empty if it is not known.',
      )
      .meta({ example: 'local' }),
    explicit: z.boolean().describe('Whether it asked for the join, which then stays until the topic is left.'),
    joinedAt: z.iso.datetime(),
    usedAt: z.iso.datetime().describe('When it last used the topic, to within some minutes.'),
  })
  .meta({ id: 'TopicUser', description: 'A client because of which a topic is joined.' })
export type TopicUser = z.infer<typeof topicUserSchema>
