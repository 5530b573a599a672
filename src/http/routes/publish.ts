import type { FastifyReply } from 'fastify'
import { z } from 'zod'
import type { History } from '../../history.ts'
import { cursorSchema, formatCursor, type Seq } from '../../model/cursor.ts'
import { messageSchema } from '../../model/message.ts'
import { decodePayload, type Encoding, encodingSchema } from '../../model/payload.ts'
import { topicSchema } from '../../model/topic.ts'
import { clientSignal } from '../client-signal.ts'
import { publishedExample } from '../examples.ts'
import { topicParams } from '../inputs.ts'
import { type App, json, noQuery } from '../operation.ts'

/** What publishes; resolves once the message is durable and was handed to the network. */
export interface Publisher {
  publish(
    message: { topic: string; data: Uint8Array },
    options: { signal: AbortSignal },
  ): Promise<{ id: string; seq: Seq; topic: string; recipients: number }>
}

const payload = { data: z.string(), encoding: encodingSchema.optional().describe('What `data` is; `utf8` when absent.') }

const publishedSchema = z
  .object({
    id: messageSchema.shape.id,
    cursor: cursorSchema,
    topic: topicSchema,
    recipients: z
      .int()
      .min(0)
      .describe('Connected peers it was handed to; 0 when nobody was there, and then it waits for the first to come.'),
  })
  .meta({ id: 'Published' })

const operation = {
  action: 'publish',
  summary: 'Publish a message',
  tag: 'Messages',
  problems: ['invalid_topic', 'invalid_data', 'message_too_large', 'topic_limit', 'overloaded', 'draining', 'store_unavailable'],
} as const
const description = 'Joins the topic if need be. Answers once the message is stored, durably, and was handed to the network.'

export function publishRoutes(app: App, components: { publisher: Publisher; history: Pick<History, 'epoch'> }): void {
  const { publisher, history } = components
  const response = {
    201: json('The message is stored.', publishedSchema, publishedExample, { Location: 'Where the message is.' }),
  }

  async function publish(topic: string, { data, encoding }: { data: string; encoding?: Encoding | undefined }, reply: FastifyReply) {
    const published = await publisher.publish({ topic, data: decodePayload(data, encoding) }, { signal: clientSignal(reply) })
    reply.code(201).header('location', `/v1/messages/${published.id}`)
    const { id, recipients } = published
    return { id, cursor: formatCursor(await history.epoch(), published.seq), topic: published.topic, recipients }
  }

  app.route({
    method: 'POST',
    url: '/v1/topics/:topic/messages',
    config: { operation: { ...operation, problems: [...operation.problems], operationId: 'publishToTopic', description } },
    schema: {
      params: topicParams,
      querystring: noQuery,
      body: z.strictObject(payload).meta({ example: { data: '{"order":17}' } }),
      response,
    },
    handler: ({ params, body }, reply) => publish(params.topic, body, reply),
  })

  app.route({
    method: 'POST',
    url: '/v1/messages',
    config: {
      operation: {
        ...operation,
        problems: [...operation.problems],
        operationId: 'publish',
        description: `The same with the topic in the body. ${description}`,
      },
    },
    schema: {
      querystring: noQuery,
      body: z.strictObject({ topic: topicSchema, ...payload }).meta({ example: { topic: 'orders', data: '{"order":17}' } }),
      response,
    },
    handler: ({ body }, reply) => publish(body.topic, body, reply),
  })
}
