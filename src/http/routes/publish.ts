import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { OwnMessage } from '../../engine/engine.ts'
import { InvalidData, InvalidRequest } from '../../errors.ts'
import type { History } from '../../log/history.ts'
import { cursorSchema, formatCursor } from '../../model/cursor.ts'
import { type Grant, requireTopic } from '../../model/grant.ts'
import { idempotencyKeySchema, idempotencyScope } from '../../model/idempotency-key.ts'
import { messageSchema } from '../../model/message.ts'
import { dataSchema, decodePayload, type Encoding, encodingSchema } from '../../model/payload.ts'
import { peerIdSchema } from '../../model/peer.ts'
import { authorOf } from '../../model/signed-message.ts'
import { topicSchema } from '../../model/topic.ts'
import type { Publication, Publisher } from '../../publish/publisher.ts'
import { clientSignal } from '../client-signal.ts'
import { keyOf } from '../count-requests.ts'
import { publishedExample } from '../examples.ts'
import { countQuery, topicParams, waitQuery } from '../inputs.ts'
import { type App, json } from '../operation.ts'

const payload = { data: dataSchema, encoding: encodingSchema.optional().describe('Encoding of `data`. Default: `utf8`.') }
const payloadSchema = z.strictObject(payload).meta({ id: 'Payload' })
const addressedSchema = z.strictObject({ topic: topicSchema, ...payload }).meta({ id: 'AddressedPayload' })

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

const answerSchema = z.union([publishedSchema, z.object({ items: z.array(publishedSchema) }).meta({ id: 'PublishedList' })])

const response = {
  201: json(
    'The messages are stored. One message is returned as itself, an array as `items` in the same order.',
    answerSchema,
    publishedExample,
    {
      Location: 'URL of the message, if it was one.',
      'Idempotent-Replayed': '`true` if this is the response to an earlier request with the same key. Nothing was published again.',
    },
  ),
}

const headers = z.looseObject({ 'idempotency-key': idempotencyKeySchema.optional() })
const meshQuery = {
  minRecipients: countQuery
    .optional()
    .describe('Minimum number of connected peers that must have joined the topic before the messages are published.'),
  waitMs: waitQuery.optional().describe('Maximum time to wait for `minRecipients`, in milliseconds. After it nothing is published.'),
}

const operation = {
  action: 'publish',
  summary: 'Publish messages',
  tag: 'Messages',
  rawBody: true,
} as const
const problems = [
  'invalid_topic',
  'invalid_data',
  'message_too_large',
  'idempotency_in_progress',
  'idempotency_key_reused',
  'idempotency_key_limit',
  'mesh_not_ready',
  'topic_limit',
  'overloaded',
  'draining',
  'store_unavailable',
]
const description =
  'Joins the topic if needed. Responds once all messages are durably stored and handed to the network. An array is published ' +
  'completely or not at all. An `application/octet-stream` body is the data of one message.'

type Body = { data: string; encoding?: Encoding | undefined; topic?: string }

export function publishRoutes(
  app: App,
  init: { limits: { maxPublishMessages: number } },
  components: { publisher: Publisher; history: Pick<History, 'epoch'> },
): void {
  const { publisher, history } = components
  const { maxPublishMessages } = init.limits
  const payloadListSchema = z.array(payloadSchema).min(1).max(maxPublishMessages).meta({ id: 'PayloadList' })
  const addressedListSchema = z.array(addressedSchema).min(1).max(maxPublishMessages).meta({ id: 'AddressedPayloadList' })

  async function publish(request: PublishCall, reply: FastifyReply) {
    const { grant, client, method, path, key, messages, minRecipients, waitMs } = request
    for (const { topic } of messages) requireTopic(grant, topic)
    const idempotency = key === undefined ? undefined : { scope: idempotencyScope(client, `${method} ${path}`), key }
    const options = { signal: clientSignal(reply) }
    const { published } = await publisher.enqueue({ client, messages, idempotency, minRecipients, waitMs }, options)
    return await answer(await published, request.several, reply)
  }

  async function answer({ items, replayed }: Publication, several: boolean, reply: FastifyReply) {
    const epoch = await history.epoch()
    const views = items.map(({ id, seq, topic, recipients }) => ({
      id,
      cursor: formatCursor(epoch, seq),
      topic,
      recipients,
      gateway: authorOf(id),
    }))
    reply.code(201)
    if (replayed) reply.header('idempotent-replayed', 'true')
    const [first] = views
    if (several || first === undefined) return { items: views }
    reply.header('location', `/v1/messages/${first.id}`)
    return first
  }

  const onRequest = async (request: FastifyRequest) => publisher.check(keyOf(request))

  app.route({
    method: 'POST',
    url: '/v1/topics/:topic/messages',
    onRequest,
    config: { operation: { ...operation, problems, operationId: 'publishToTopic', description } },
    schema: {
      params: topicParams,
      headers,
      querystring: z.strictObject(meshQuery),
      body: z.union([payloadSchema, payloadListSchema]).meta({ example: { data: '{"order":17}' } }),
      response,
    },
    handler: ({ params, query, body, headers, method, url, grant, client }, reply) => {
      const messages = decode(body, params.topic)
      return publish(
        { grant, client: keyOf({ grant, client }), method, path: pathOf(url), key: headers['idempotency-key'], ...messages, ...query },
        reply,
      )
    },
  })

  app.route({
    method: 'POST',
    url: '/v1/messages',
    onRequest,
    config: {
      operation: {
        ...operation,
        problems,
        operationId: 'publish',
        description: `Publishes messages with the topic in the body, or in the query if the body is raw. ${description}`,
      },
    },
    schema: {
      headers,
      querystring: z.strictObject({ topic: topicSchema.optional().describe('Topic of a raw body.'), ...meshQuery }),
      body: z.union([addressedSchema, addressedListSchema]).meta({ example: { topic: 'orders', data: '{"order":17}' } }),
      response,
    },
    handler: ({ query: { topic, ...query }, body, headers, method, url, grant, client }, reply) => {
      const messages = decode(body, topicOfRaw(body, topic))
      return publish(
        { grant, client: keyOf({ grant, client }), method, path: pathOf(url), key: headers['idempotency-key'], ...messages, ...query },
        reply,
      )
    },
  })
}

interface PublishCall extends Decoded {
  grant: Grant
  /** `clientKey`. */
  client: string
  method: string
  path: string
  key: string | undefined
  minRecipients?: number | undefined
  waitMs?: number | undefined
}

interface Decoded {
  messages: OwnMessage[]
  /** Whether the request, and so the response, is an array. */
  several: boolean
}

/** The topic in the query, which only a raw body needs. @throws InvalidRequest */
function topicOfRaw(body: unknown, topic: string | undefined): string | undefined {
  if (Buffer.isBuffer(body) === (topic !== undefined)) return topic
  const message = topic === undefined ? 'is required with a raw body' : 'must be in the body if the body is JSON'
  throw new InvalidRequest(`The query is not valid: topic ${message}.`, { errors: [{ path: 'topic', message }] })
}

function decode(body: Body | Body[] | Buffer, topic: string | undefined): Decoded {
  if (Buffer.isBuffer(body)) return { messages: [{ topic: topic ?? '', data: body }], several: false }
  if (!Array.isArray(body))
    return { messages: [{ topic: body.topic ?? topic ?? '', data: decodePayload(body.data, body.encoding) }], several: false }
  return { messages: body.map((item, index) => ({ topic: item.topic ?? topic ?? '', data: decodeItem(item, index) })), several: true }
}

/** @throws InvalidData with the path of the item */
function decodeItem({ data, encoding }: Body, index: number): Uint8Array {
  try {
    return decodePayload(data, encoding)
  } catch (error) {
    if (!(error instanceof InvalidData)) throw error
    const errors = (error.errors ?? []).map(({ path, message }) => ({ path: `${index}.${path}`, message }))
    throw new InvalidData(error.message, { errors, cause: error })
  }
}

function pathOf(url: string): string {
  return url.split('?')[0] ?? ''
}
