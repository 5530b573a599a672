import { z } from 'zod'
import { topicUserSchema } from '../../model/topic-user.ts'
import type { TopicJoin } from '../../store/topic-store.ts'
import type { Topics } from '../../topics/topics.ts'
import { topicUserExample } from '../examples.ts'
import { topicParams } from '../inputs.ts'
import { type App, declareRoute, json, noQuery } from '../operation.ts'
import { topicOfPath } from '../topic-rights.ts'

const topicUsersSchema = z.object({ items: z.array(topicUserSchema) }).meta({ id: 'TopicUsers' })

export const topicUserContract = {
  listTopicUsers: declareRoute({
    method: 'GET',
    url: '/v1/topics/:topic/users',
    config: {
      operation: {
        action: 'admin',
        cost: 10,
        topics: topicOfPath,
        operationId: 'listTopicUsers',
        work: 'list',
        summary: 'List the clients because of which a topic is joined',
        description:
          'Of all gateways of the database; the topic counts towards the share of the first. Empty for a topic that is not joined.',
        tag: 'Topics',
        problems: ['topic_not_found', 'store_unavailable'],
      },
    },
    schema: {
      params: topicParams,
      querystring: noQuery,
      response: { 200: json('The clients, by the age of their joins.', topicUsersSchema, { items: [topicUserExample] }) },
    },
  }),
}

export function topicUserRoutes(app: App, { topics }: { topics: Pick<Topics, 'joins'> }): void {
  app.route({
    ...topicUserContract.listTopicUsers,
    handler: async ({ params }) => ({ items: (await topics.joins(params.topic)).map(shown) }),
  })
}

function shown({ client, explicit, joinedAt, usedAt }: TopicJoin): z.output<typeof topicUserSchema> {
  return { client, explicit, joinedAt: new Date(joinedAt).toISOString(), usedAt: new Date(usedAt).toISOString() }
}
