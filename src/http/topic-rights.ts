import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { requireTopics } from '../model/grant.ts'
import { directTopic, everything, exactly, subscriptionFilter, type TopicFilter, topicFilter } from '../model/topic.ts'

/** What a client asked for, validated by the schemas of the route. */
export type Asked = Pick<FastifyRequest, 'params' | 'query' | 'body'>

/**
 * The topics that a token must allow. A function gives those that the request names, and they are checked before the
 * handler runs. The other kinds say what replaces this check:
 * - `message`: the handler reads a message and checks its topic.
 * - `consumer`: the handler reads a consumer and checks its topics.
 * - `visible`: the response has only what the token allows.
 * - `frames`: the frames of the stream are checked one by one (`frameRules`).
 */
export type TopicRights = ((asked: Asked) => TopicFilter) | 'message' | 'consumer' | 'visible' | 'frames'

/** Checks the topics that a request names. @throws Forbidden */
export async function checkTopics({ routeOptions, grant, params, query, body }: FastifyRequest): Promise<void> {
  const topics = routeOptions.config.operation?.topics
  if (typeof topics === 'function') requireTopics(grant, topics({ params, query, body }))
}

const topic = z.string()
const oneSchema = z.object({ topic })
const messagesSchema = z.object({ messages: z.array(oneSchema) })
const optionalSchema = z.object({ topic: topic.optional() })
const patternsSchema = z.object({ topics: z.array(topic) })
const subscriptionSchema = z.object({
  topic: z.array(topic).optional(),
  direct: z.boolean().optional(),
  deliveries: z.boolean().optional(),
})
const webhookSchema = patternsSchema.extend({ direct: z.boolean() })
const pageSchema = z.object({ topic: z.array(topic).optional(), kind: z.string().optional() })

export function topicOfPath({ params }: Asked): TopicFilter {
  return exactly(oneSchema.parse(params).topic)
}

export function topicOfQuery({ query }: Asked): TopicFilter {
  return exactly(optionalSchema.parse(query).topic ?? [])
}

export function topicOfBody({ body }: Asked): TopicFilter {
  return exactly(oneSchema.parse(body).topic)
}

/** The topics of the messages of the body. */
export function topicsOfMessages({ body }: Asked): TopicFilter {
  return exactly(messagesSchema.parse(body).messages.map(({ topic }) => topic))
}

/** Topics and patterns in `topics` of the body. */
export function patternsOfBody({ body }: Asked): TopicFilter {
  return topicFilter(patternsSchema.parse(body).topics)
}

/** Topics and patterns of a webhook, and direct messages if it sends them. */
export function patternsOfWebhook({ body }: Asked): TopicFilter {
  return subscriptionFilter(webhookSchema.parse(body))
}

/** Those that a change of a webhook names. */
export function patternsOfChanges({ body }: Asked): TopicFilter {
  return subscriptionFilter(webhookSchema.partial().parse(body))
}

/** Topics and patterns of a page of messages: all topics by default. */
export function patternsOfPage({ query }: Asked): TopicFilter {
  const { topic: topics, kind } = pageSchema.parse(query)
  if (topics !== undefined) return topicFilter(topics)
  return kind === 'direct' ? exactly(directTopic) : everything
}

/** Topics and patterns of a subscription in the query. */
export function patternsOfSubscription({ query }: Asked): TopicFilter {
  const { topic: topics, ...flags } = subscriptionSchema.parse(query)
  return subscriptionFilter({ topics, ...flags })
}
