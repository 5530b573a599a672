import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { omitUndefined } from '../../lib/omit-undefined.ts'
import type { Retention } from '../../log/retention.ts'
import { requireAction, requireTopic } from '../../model/grant.ts'
import { retentionInputSchema } from '../../model/retention.ts'
import { topicSchema } from '../../model/topic.ts'
import { topicStatsSchema } from '../../model/topic-stats.ts'
import type { Topics } from '../../topics/topics.ts'
import { keyOf } from '../count-requests.ts'
import { topicExample } from '../examples.ts'
import { flagQuery, limitQuery, topicParams } from '../inputs.ts'
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

export interface TopicComponents {
  topics: Pick<Topics, 'join' | 'leave' | 'list' | 'get' | 'retain'>
  retention: Pick<Retention, 'purge'>
}

export function topicRoutes(app: App, components: TopicComponents): void {
  const { topics, retention } = components

  async function join(
    request: Pick<FastifyRequest, 'grant' | 'client'>,
    topic: string,
    keeps: RetentionInput | undefined,
    reply: FastifyReply,
  ) {
    const { grant } = request
    requireTopic(grant, topic)
    // Whoever reads may join; what is kept concerns everybody.
    if (keeps !== undefined) requireAction(grant, 'admin')
    const { created } = await topics.join(topic, { client: keyOf(request), retention: keeps && omitUndefined(keeps) })
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
    handler: ({ query, grant }) => topics.list({ ...query, visible: grant.topics }),
  })

  app.route({
    method: 'POST',
    url: '/v1/topics',
    config: {
      operation: {
        action: 'read',
        cost: 10,
        operationId: 'joinTopicInBody',
        summary: 'Join a topic',
        description: 'The same as `PUT /v1/topics/{topic}`, for topics that a path can hardly carry.',
        tag: 'Topics',
        problems: joinProblems,
      },
    },
    schema: {
      querystring: noQuery,
      body: z.strictObject({ topic: topicSchema, retention: retentionInputSchema.optional() }).meta({ example: { topic: 'orders' } }),
      response: joinAnswers,
    },
    handler: (request, reply) => join(request, request.body.topic, request.body.retention, reply),
  })

  app.route({
    method: 'PUT',
    url: '/v1/topics/:topic',
    config: {
      operation: {
        action: 'read',
        cost: 10,
        operationId: 'joinTopic',
        summary: 'Join a topic',
        description:
          'From now on its messages are received and stored, until the topic is left; it counts to the share of who joined it first. Publishing and subscribing ' +
          'join by themselves: such a join ends some time (`subscribedTopicMs`, a week) after its last use, or when its token is revoked, unless others have ' +
          'joined the topic too.',
        tag: 'Topics',
        problems: joinProblems,
      },
    },
    schema: {
      params: topicParams,
      querystring: noQuery,
      body: z
        .strictObject({ retention: retentionInputSchema.optional() })
        .optional()
        .meta({ example: { retention: { maxMessages: 10_000 } } }),
      response: joinAnswers,
    },
    handler: (request, reply) => join(request, request.params.topic, request.body?.retention, reply),
  })

  app.route({
    method: 'PATCH',
    url: '/v1/topics/:topic',
    config: {
      operation: {
        action: 'admin',
        audited: true,
        operationId: 'updateTopic',
        summary: 'Change what a topic keeps',
        description: 'What is more is pruned in the background, soon after.',
        tag: 'Topics',
        problems: ['invalid_topic', 'topic_not_found', 'store_unavailable'],
      },
    },
    schema: {
      params: topicParams,
      querystring: noQuery,
      body: z.strictObject({ retention: retentionInputSchema }).meta({ example: { retention: { maxMessages: 10_000 } } }),
      response: { 200: json('The topic.', topicStatsSchema, topicExample) },
    },
    handler: async ({ params, body, grant }) => {
      requireTopic(grant, params.topic)
      await topics.retain(params.topic, omitUndefined(body.retention))
      return await topics.get(params.topic)
    },
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
    handler: ({ params, grant }) => {
      requireTopic(grant, params.topic)
      return topics.get(params.topic)
    },
  })

  app.route({
    method: 'DELETE',
    url: '/v1/topics/:topic',
    config: {
      operation: {
        action: 'admin',
        audited: true,
        operationId: 'leaveTopic',
        summary: 'Leave a topic',
        description: 'Its messages are received no more; those stored stay until they are pruned, or are removed with `purge`.',
        tag: 'Topics',
        problems: ['invalid_topic', 'topic_not_found', 'store_unavailable'],
      },
    },
    schema: {
      params: topicParams,
      querystring: z.strictObject({ purge: flagQuery.describe('Whether to remove its stored messages too.') }),
      response: { 204: empty('It is not joined now.') },
    },
    handler: async ({ params, query, grant }, reply) => {
      requireTopic(grant, params.topic)
      // To leave what was not joined is no error, unless nobody has ever heard of it.
      if (!(await topics.leave(params.topic))) await topics.get(params.topic)
      if (query.purge) await retention.purge(params.topic)
      return reply.code(204).send()
    },
  })
}

type RetentionInput = z.output<typeof retentionInputSchema>
