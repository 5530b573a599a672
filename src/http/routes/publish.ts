import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { OwnMessage } from '../../engine/engine.ts'
import { InvalidData } from '../../errors.ts'
import type { Limits } from '../../limits.ts'
import { cursorSchema } from '../../model/cursor.ts'
import { idempotencyKeySchema, idempotencyScope } from '../../model/idempotency-key.ts'
import { messageSchema } from '../../model/message.ts'
import { decodePayload, type PayloadInput, payloadInputSchema } from '../../model/payload.ts'
import { peerIdSchema } from '../../model/peer.ts'
import { authorOf } from '../../model/signed-message.ts'
import { topicSchema } from '../../model/topic.ts'
import type { Publisher } from '../../publish/publisher.ts'
import { clientSignal } from '../client-signal.ts'
import { keyOf } from '../count-requests.ts'
import { publishedExample } from '../examples.ts'
import { countQuery, topicParams, waitQuery } from '../inputs.ts'
import { type App, declareRoute, json } from '../operation.ts'
import { topicOfPath, topicsOfMessages } from '../topic-rights.ts'

const addressedSchema = payloadInputSchema
  .extend({ topic: topicSchema })
  .meta({ id: 'AddressedPayload', description: 'Data that a client sends to a topic.' })

const publishedSchema = z
  .object({
    id: messageSchema.shape.id,
    cursor: cursorSchema,
    topic: topicSchema,
    recipients: z
      .int()
      .min(0)
      .describe('Number of connected peers that the message was handed to. If 0, it waits for the first subscriber.'),
    gateway: peerIdSchema.describe('The gateway that accepted the message, and whose peers `recipients` counts.'),
  })
  .meta({ id: 'Published' })

const publishedListSchema = z.object({ items: z.array(publishedSchema) }).meta({ id: 'PublishedList' })

const replayedHeader = {
  'Idempotent-Replayed': '`true` if this is the response to an earlier request with the same key. Nothing was published again.',
}

const headers = z.looseObject({ 'idempotency-key': idempotencyKeySchema.optional() })
const querystring = z.strictObject({
  minRecipients: countQuery
    .optional()
    .describe('Minimum number of connected peers that must have joined each topic before anything is published.'),
  waitMs: waitQuery.optional().describe('Maximum time to wait for `minRecipients`, in milliseconds. After it nothing is published.'),
})

const operation = { action: 'publish', tag: 'Messages' } as const
const problems = [
  'invalid_data',
  'message_too_large',
  'idempotency_in_progress',
  'idempotency_key_reused',
  'idempotency_key_limit',
  'mesh_not_ready',
  'overloaded',
  'draining',
  'store_unavailable',
]

export function publishContract(init: { limits: Pick<Limits, 'maxPublishMessages'> }) {
  const listSchema = z
    .strictObject({ messages: z.array(addressedSchema).min(1).max(init.limits.maxPublishMessages) })
    .meta({ id: 'AddressedPayloadList' })

  return {
    publishToTopic: declareRoute({
      method: 'POST',
      url: '/v1/topics/:topic/messages',
      config: {
        operation: {
          ...operation,
          problems,
          topics: topicOfPath,
          operationId: 'publishToTopic',
          summary: 'Publish a message to a topic',
          description:
            'Joins the topic if needed. Responds once the message is durably stored and handed to the network. An `application/octet-stream` ' +
            'body is the data of the message.',
          rawBody: true,
        },
      },
      schema: {
        params: topicParams,
        headers,
        querystring,
        body: payloadInputSchema.meta({ example: { data: { order: 17 }, encoding: 'json' } }),
        response: {
          201: json('The message is stored.', publishedSchema, publishedExample, { Location: 'URL of the message.', ...replayedHeader }),
        },
      },
    }),
    publishMessages: declareRoute({
      method: 'POST',
      url: '/v1/messages',
      config: {
        operation: {
          ...operation,
          problems,
          topics: topicsOfMessages,
          operationId: 'publishMessages',
          summary: 'Publish messages to any topics',
          description:
            'Publishes all messages or none, in their order. Joins their topics if needed. Responds once all are durably stored and handed to ' +
            'the network.',
        },
      },
      schema: {
        headers,
        querystring,
        body: listSchema.meta({ example: { messages: [{ topic: 'orders', data: { order: 17 }, encoding: 'json' }] } }),
        response: {
          201: json(
            'The messages are stored. `items` has one for each, in their order.',
            publishedListSchema,
            { items: [publishedExample] },
            replayedHeader,
          ),
        },
      },
    }),
  }
}

export function publishRoutes(app: App, contract: ReturnType<typeof publishContract>, components: { publisher: Publisher }): void {
  const { publisher } = components
  /** @returns the messages as the client sees them, in the order of the request */
  async function publish({ request, reply, query, ...publication }: PublishCall): Promise<PublishedView[]> {
    const client = keyOf(request)
    const key = request.headers['idempotency-key']
    const idempotency = key === undefined ? undefined : { scope: idempotencyScope(client, 'publish'), key }
    const { published } = await publisher.enqueue({ client, idempotency, ...publication, ...query }, { signal: clientSignal(reply) })
    const { items, replayed } = await published
    reply.code(201)
    if (replayed) reply.header('idempotent-replayed', 'true')
    return items.map((item) => ({ ...item, gateway: authorOf(item.id) }))
  }

  const onRequest = async (request: FastifyRequest) => publisher.check(keyOf(request))

  app.route({
    ...contract.publishToTopic,
    onRequest,
    handler: async (request, reply) => {
      const { params, query, body } = request
      const data = Buffer.isBuffer(body) ? body : decodePayload(body.data, body.encoding)
      const [message] = await publish({ request, reply, query, messages: [{ topic: params.topic, data }] })
      if (message === undefined) throw new Error('a message was published without a result')
      return reply.header('location', `/v1/messages/${message.id}`).send(message)
    },
  })

  app.route({
    ...contract.publishMessages,
    onRequest,
    handler: async (request, reply) => {
      const messages = request.body.messages.map((item, index) => ({ topic: item.topic, data: decodeItem(item, index) }))
      return { items: await publish({ request, reply, query: request.query, messages, listed: true }) }
    },
  })
}

type PublishedView = z.infer<typeof publishedSchema>

interface PublishCall {
  request: Pick<FastifyRequest, 'grant' | 'client'> & { headers: { 'idempotency-key'?: string | undefined } }
  reply: FastifyReply
  messages: OwnMessage[]
  listed?: true
  query: z.output<typeof querystring>
}

/** @throws InvalidData with the path of the item */
function decodeItem({ data, encoding }: PayloadInput, index: number): Uint8Array {
  try {
    return decodePayload(data, encoding)
  } catch (error) {
    if (!(error instanceof InvalidData)) throw error
    const errors = (error.errors ?? []).map(({ path, message }) => ({ path: `/messages/${index}${path}`, message }))
    throw new InvalidData(error.message, { errors, cause: error })
  }
}
