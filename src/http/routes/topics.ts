import { z } from 'zod'
import { topicSchema } from '../../model/topic.ts'
import { topicStatsSchema } from '../../model/topic-stats.ts'
import type { Topics } from '../../topics.ts'
import { topicExample } from '../examples.ts'
import { limitQuery, topicParams } from '../inputs.ts'
import { type App, empty, json, noQuery } from '../operation.ts'

const joinAnswers = {
  200: json('It was joined already.', topicStatsSchema, topicExample),
  201: json('It is joined now, also after a restart.', topicStatsSchema, topicExample, { Location: 'Where the topic is.' }),
}
const joinProblems = ['invalid_topic', 'topic_limit', 'store_unavailable']

const topicPageSchema = z
  .object({
    items: z.array(topicStatsSchema),
    next: topicSchema.nullable().describe('What to pass as `after` for the next page; null on the last one.'),
  })
  .meta({ id: 'TopicPage' })

export function topicRoutes(app: App, components: { topics: Pick<Topics, 'join' | 'leave' | 'list' | 'get'> }): void {
  const { topics } = components

  async function join(topic: string, reply: { code(status: number): unknown; header(name: string, value: string): unknown }) {
    const { created } = await topics.join(topic)
    reply.code(created ? 201 : 200)
    if (created) reply.header('location', `/v1/topics/${encodeURIComponent(topic)}`)
    return await topics.get(topic)
  }

  app.route({
    method: 'GET',
    url: '/v1/topics',
    config: {
      operation: {
        action: 'read',
        operationId: 'listTopics',
        summary: 'Topics that are joined or have messages',
        description: 'By name, in the order of their code points.',
        tag: 'Topics',
        problems: ['invalid_topic', 'store_unavailable'],
      },
    },
    schema: {
      querystring: z.strictObject({ after: topicSchema.optional().describe('Topics after this one.'), limit: limitQuery }),
      response: { 200: json('A page of topics.', topicPageSchema, { items: [topicExample], next: null }) },
    },
    handler: ({ query }) => topics.list(query),
  })

  app.route({
    method: 'POST',
    url: '/v1/topics',
    config: {
      operation: {
        action: 'read',
        operationId: 'joinTopicInBody',
        summary: 'Join a topic',
        description: 'The same as `PUT /v1/topics/{topic}`, for topics that a path can hardly carry.',
        tag: 'Topics',
        problems: joinProblems,
      },
    },
    schema: {
      querystring: noQuery,
      body: z.strictObject({ topic: topicSchema }).meta({ example: { topic: 'orders' } }),
      response: joinAnswers,
    },
    handler: ({ body }, reply) => join(body.topic, reply),
  })

  app.route({
    method: 'PUT',
    url: '/v1/topics/:topic',
    config: {
      operation: {
        action: 'read',
        operationId: 'joinTopic',
        summary: 'Join a topic',
        description: 'From now on its messages are received and stored. Publishing and subscribing join by themselves.',
        tag: 'Topics',
        problems: joinProblems,
      },
    },
    schema: { params: topicParams, querystring: noQuery, body: z.strictObject({}).optional().meta({ example: {} }), response: joinAnswers },
    handler: ({ params }, reply) => join(params.topic, reply),
  })

  app.route({
    method: 'GET',
    url: '/v1/topics/:topic',
    config: {
      operation: {
        action: 'read',
        operationId: 'getTopic',
        summary: 'A topic',
        tag: 'Topics',
        problems: ['invalid_topic', 'topic_not_found', 'store_unavailable'],
      },
    },
    schema: { params: topicParams, querystring: noQuery, response: { 200: json('The topic.', topicStatsSchema, topicExample) } },
    handler: ({ params }) => topics.get(params.topic),
  })

  app.route({
    method: 'DELETE',
    url: '/v1/topics/:topic',
    config: {
      operation: {
        action: 'read',
        operationId: 'leaveTopic',
        summary: 'Leave a topic',
        description: 'Its messages are received no more; those stored stay.',
        tag: 'Topics',
        problems: ['invalid_topic', 'topic_not_found', 'store_unavailable'],
      },
    },
    schema: { params: topicParams, querystring: noQuery, response: { 204: empty('It is not joined now.') } },
    handler: async ({ params }, reply) => {
      // To leave what was not joined is no error, unless nobody has ever heard of it.
      if (!(await topics.leave(params.topic))) await topics.get(params.topic)
      return reply.code(204).send()
    },
  })
}
