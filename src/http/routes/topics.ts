import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { omitUndefined } from '../../lib/omit-undefined.ts'
import type { Retention } from '../../log/retention.ts'
import { requireAction } from '../../model/grant.ts'
import { retentionInputSchema } from '../../model/retention.ts'
import { topicSchema } from '../../model/topic.ts'
import { topicStatsSchema } from '../../model/topic-stats.ts'
import type { Topics } from '../../topics/topics.ts'
import { keyOf } from '../count-requests.ts'
import { topicExample } from '../examples.ts'
import { flagQuery, limitQuery, topicParams } from '../inputs.ts'
import { type App, declareRoute, empty, json, noQuery } from '../operation.ts'
import { topicOfBody, topicOfPath } from '../topic-rights.ts'

const joinAnswers = {
  200: json('The topic was already joined.', topicStatsSchema, topicExample),
  201: json('The topic is joined, and stays joined after a restart.', topicStatsSchema, topicExample, { Location: 'URL of the topic.' }),
}
const joinProblems = ['topic_limit', 'store_unavailable']

const topicPageSchema = z
  .object({
    items: z.array(topicStatsSchema),
    next: topicSchema.nullable().describe('Value of `after` for the next page; null on the last page.'),
  })
  .meta({ id: 'TopicPage' })

const joinSchema = z
  .strictObject({ retention: retentionInputSchema.optional() })
  .meta({ id: 'TopicJoin', description: 'How to join a topic.' })
const topicInputSchema = joinSchema.extend({ topic: topicSchema }).meta({ id: 'TopicInput', description: 'A topic to join.' })
const changesSchema = z
  .strictObject({ retention: retentionInputSchema })
  .meta({ id: 'TopicChanges', description: 'What to change of a topic.' })

export interface TopicComponents {
  topics: Pick<Topics, 'join' | 'leave' | 'list' | 'get' | 'retain'>
  retention: Pick<Retention, 'purge'>
}

export const topicContract = {
  listTopics: declareRoute({
    method: 'GET',
    url: '/v1/topics',
    config: {
      operation: {
        action: 'read',
        topics: 'visible',
        operationId: 'listTopics',
        work: 'list',
        summary: 'List topics that are joined or have messages',
        description: 'Sorted by name, in code point order.',
        tag: 'Topics',
        problems: ['store_unavailable'],
      },
    },
    schema: {
      querystring: z.strictObject({ after: topicSchema.optional().describe('Only topics after this one.'), limit: limitQuery }),
      response: { 200: json('A page of topics.', topicPageSchema, { items: [topicExample], next: null }) },
    },
  }),
  joinTopicInBody: declareRoute({
    method: 'POST',
    url: '/v1/topics',
    config: {
      operation: {
        action: 'read',
        cost: 10,
        topics: topicOfBody,
        operationId: 'joinTopicInBody',
        summary: 'Join a topic',
        description: 'Equivalent to `PUT /v1/topics/{topic}`, for topics that do not fit a path well.',
        repetition: 'A repetition changes nothing: the topic is joined.',
        tag: 'Topics',
        problems: joinProblems,
      },
    },
    schema: {
      querystring: noQuery,
      body: topicInputSchema.meta({ example: { topic: 'orders' } }),
      response: joinAnswers,
    },
  }),
  joinTopic: declareRoute({
    method: 'PUT',
    url: '/v1/topics/:topic',
    config: {
      operation: {
        action: 'read',
        cost: 10,
        topics: topicOfPath,
        operationId: 'joinTopic',
        summary: 'Join a topic',
        description:
          'Receives and stores the messages of the topic until it is left. The topic counts towards the share of the client that joined it first. ' +
          'Publishing and subscribing join a topic implicitly: such a join ends `subscribedTopicMs` (a week) after its last use, or when its token is ' +
          'revoked, unless other clients have joined the topic too. Publishing goes on without a join when there is no room for one.',
        tag: 'Topics',
        problems: joinProblems,
      },
    },
    schema: {
      params: topicParams,
      querystring: noQuery,
      body: joinSchema.optional().meta({ example: { retention: { maxMessages: 10_000 } } }),
      response: joinAnswers,
    },
  }),
  updateTopic: declareRoute({
    method: 'PATCH',
    url: '/v1/topics/:topic',
    config: {
      operation: {
        action: 'admin',
        audited: true,
        topics: topicOfPath,
        operationId: 'updateTopic',
        summary: 'Change the retention of a topic',
        description:
          'Messages beyond the new retention are pruned in the background soon after. A joined topic with a limit of its own stays joined until it is left.',
        tag: 'Topics',
        problems: ['topic_not_found', 'store_unavailable'],
      },
    },
    schema: {
      params: topicParams,
      querystring: noQuery,
      body: changesSchema.meta({ example: { retention: { maxMessages: 10_000 } } }),
      response: { 200: json('The topic.', topicStatsSchema, topicExample) },
    },
  }),
  getTopic: declareRoute({
    method: 'GET',
    url: '/v1/topics/:topic',
    config: {
      operation: {
        action: 'read',
        topics: topicOfPath,
        operationId: 'getTopic',
        summary: 'Get a topic',
        tag: 'Topics',
        problems: ['topic_not_found', 'store_unavailable'],
      },
    },
    schema: { params: topicParams, querystring: noQuery, response: { 200: json('The topic.', topicStatsSchema, topicExample) } },
  }),
  leaveTopic: declareRoute({
    method: 'DELETE',
    url: '/v1/topics/:topic',
    config: {
      operation: {
        action: 'admin',
        audited: true,
        topics: topicOfPath,
        operationId: 'leaveTopic',
        summary: 'Leave a topic',
        description: 'Stops receiving its messages. Stored messages stay until they are pruned, or are removed by `purge`.',
        tag: 'Topics',
        problems: ['topic_not_found', 'store_unavailable'],
      },
    },
    schema: {
      params: topicParams,
      querystring: z.strictObject({ purge: flagQuery.describe('Whether to remove the stored messages of the topic too.') }),
      response: { 204: empty('The topic is not joined.') },
    },
  }),
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
    // A reader can join; retention affects all clients.
    if (keeps !== undefined) requireAction(grant, 'admin')
    const { created } = await topics.join(topic, { client: keyOf(request), retention: keeps && omitUndefined(keeps) })
    reply.code(created ? 201 : 200)
    if (created) reply.header('location', `/v1/topics/${encodeURIComponent(topic)}`)
    return await topics.get(topic)
  }

  app.route({
    ...topicContract.listTopics,
    handler: ({ query, grant }) => topics.list({ ...query, visible: grant.topics }),
  })

  app.route({
    ...topicContract.joinTopicInBody,
    handler: (request, reply) => join(request, request.body.topic, request.body.retention, reply),
  })

  app.route({
    ...topicContract.joinTopic,
    handler: (request, reply) => join(request, request.params.topic, request.body?.retention, reply),
  })

  app.route({
    ...topicContract.updateTopic,
    handler: async (request) => {
      const { topic } = request.params
      await topics.retain(topic, omitUndefined(request.body.retention), keyOf(request))
      return await topics.get(topic)
    },
  })

  app.route({
    ...topicContract.getTopic,
    handler: ({ params }) => topics.get(params.topic),
  })

  app.route({
    ...topicContract.leaveTopic,
    handler: async ({ params, query }, reply) => {
      // Leaving a topic that is not joined is an error only if the topic is unknown.
      if (!(await topics.leave(params.topic))) await topics.get(params.topic)
      if (query.purge) await retention.purge(params.topic)
      return reply.code(204).send()
    },
  })
}

type RetentionInput = z.output<typeof retentionInputSchema>
