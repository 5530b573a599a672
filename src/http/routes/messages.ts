import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { Rates } from '../../access/rates.ts'
import type { History, Page, PageOptions, PageQuery } from '../../log/history.ts'
import { cursorSchema, formatCursor, positionSchema } from '../../model/cursor.ts'
import { gapFields, placeOf } from '../../model/gap.ts'
import { readable, requireTopic, requireTopics } from '../../model/grant.ts'
import { type MessageKind, messageKindSchema, messageSchema, messageView } from '../../model/message.ts'
import { type Encoding, encodingSchema } from '../../model/payload.ts'
import { nameSchema } from '../../model/text.ts'
import { directTopic, type TopicFilter, topicFilter } from '../../model/topic.ts'
import type { Topics } from '../../topics/topics.ts'
import { clientSignal } from '../client-signal.ts'
import { keyOf } from '../count-requests.ts'
import { messageExample } from '../examples.ts'
import { limitQuery, peerIdInput, timeQuery, topicParams, topicsQuery, waitQuery } from '../inputs.ts'
import { type App, bytes, empty, json } from '../operation.ts'

const encodingQuery = encodingSchema.optional().describe('`base64` to have all data so; otherwise data that is valid UTF-8 is text.')

const pageQuery = {
  after: positionSchema.optional().describe('Only messages after this position; given, the order is `asc` unless said otherwise.'),
  before: positionSchema.optional().describe('Only messages before the one at this cursor; `latest` leaves none out.'),
  since: timeQuery.optional().describe('Only messages received at or after this time.'),
  until: timeQuery.optional().describe('Only messages received before this time.'),
  from: peerIdInput.optional().describe('Only messages of this author.'),
  order: z.enum(['asc', 'desc']).optional().describe('Oldest or newest first. By default `asc` with `after`, otherwise `desc`.'),
  limit: limitQuery,
  waitMs: waitQuery
    .optional()
    .describe('How long to wait for messages when there are none after `after`, and any may come that match, instead of an empty page.'),
  encoding: encodingQuery,
}

const pageSchema = z
  .object({
    items: z.array(messageSchema),
    gaps: z
      .array(z.object(gapFields).meta({ id: 'Gap' }))
      .optional()
      .describe(
        'Messages of the topics asked for that lay where this page was read and are damaged. With filters they may be ones that would not match.',
      ),
    next: cursorSchema.describe('Where the next page begins: its `after` in ascending order, its `before` in descending order.'),
    caughtUp: z.boolean().describe('Whether this page reached the end of what was asked for. Until then a page may be short, even empty.'),
  })
  .meta({ id: 'MessagePage' })

const pageAnswers = { 200: json('A page of messages.', pageSchema, { items: [messageExample], next: 'k3v9q2.1041', caughtUp: true }) }

const pageProblems = [
  'invalid_topic',
  'invalid_peer_id',
  'invalid_cursor',
  'cursor_epoch_mismatch',
  'cursor_ahead',
  'cursor_expired',
  'overloaded',
  'store_unavailable',
]
const pageDescription =
  'With neither `after` nor `before` the newest messages, newest first. To read everything from somewhere on, pass `after`, ' +
  'and then as `after` each page’s `next`, until `caughtUp`. A request looks at 20,000 messages at most, matching or not, and each 40 of them ' +
  'cost a unit of the rate limit: a page that ends there, or where the budget does, is short or empty, and its `next` says where to go on.'

const { description, example } = messageSchema.shape.id.meta() ?? {}
const idParams = z.strictObject({ id: nameSchema(256).meta({ description, example }) })

export function messageRoutes(
  app: App,
  components: { history: Pick<History, 'page' | 'get'>; topics: Pick<Topics, 'read'>; rates: Pick<Rates, 'take'> },
): void {
  const { history, topics, rates } = components

  /** The client, who pays for what its page looks at. */
  function optionsOf({ grant, client }: Pick<FastifyRequest, 'grant' | 'client'>, reply: FastifyReply): PageOptions {
    return {
      signal: clientSignal(reply),
      client: keyOf({ grant, client }),
      pay: (units) => void rates.take({ grantId: grant.id, address: client.address }, units),
    }
  }

  /** Who reads a topic again and again needs it joined. */
  async function page(query: PageQuery, options: PageOptions): Promise<Page> {
    for (const topic of query.topics?.exact ?? []) topics.read(topic, options.client)
    return await history.page(query, options)
  }

  app.route({
    method: 'GET',
    url: '/v1/topics/:topic/messages',
    config: {
      operation: {
        action: 'read',
        cost: 5,
        operationId: 'listTopicMessages',
        summary: 'Messages of a topic',
        description: pageDescription,
        tag: 'Messages',
        problems: pageProblems,
      },
    },
    schema: { params: topicParams, querystring: z.strictObject(pageQuery), response: pageAnswers },
    handler: async ({ params, query, grant, client }, reply) => {
      const filter = { exact: [params.topic], prefixes: [] }
      requireTopics(grant, filter)
      return pageView(await page({ ...query, topics: filter }, optionsOf({ grant, client }, reply)), query.encoding)
    },
  })

  app.route({
    method: 'GET',
    url: '/v1/messages',
    config: {
      operation: {
        action: 'read',
        cost: 5,
        operationId: 'listMessages',
        summary: 'Messages of all topics, or of some',
        description: pageDescription,
        tag: 'Messages',
        problems: pageProblems,
      },
    },
    schema: {
      querystring: z.strictObject({
        topic: topicsQuery.optional(),
        kind: messageKindSchema.optional().describe('Only messages of this kind. Direct ones need a token that allows `direct`.'),
        to: peerIdInput.optional().describe('Only direct messages to this peer.'),
        ...pageQuery,
      }),
      response: pageAnswers,
    },
    handler: async ({ query: { topic, encoding, ...query }, grant, client }, reply) => {
      const filter = filterOf(topic, query.kind) ?? readable(grant)
      requireTopics(grant, filter)
      return pageView(await page({ ...query, topics: filter }, optionsOf({ grant, client }, reply)), encoding)
    },
  })

  app.route({
    method: 'GET',
    url: '/v1/messages/:id',
    config: {
      operation: {
        action: 'read',
        operationId: 'getMessage',
        summary: 'A message',
        tag: 'Messages',
        problems: ['message_not_found', 'store_unavailable'],
      },
    },
    schema: {
      params: idParams,
      querystring: z.strictObject({ encoding: encodingQuery }),
      response: { 200: json('The message.', messageSchema, messageExample) },
    },
    handler: async ({ params, query, grant }) => {
      const { message, epoch } = await history.get(params.id)
      requireTopic(grant, message.topic)
      return messageView(message, epoch, query.encoding)
    },
  })

  app.route({
    method: 'GET',
    url: '/v1/messages/:id/data',
    config: {
      operation: {
        action: 'read',
        operationId: 'getMessageData',
        summary: 'The bytes of a message',
        tag: 'Messages',
        problems: ['message_not_found', 'store_unavailable'],
      },
    },
    schema: {
      params: idParams,
      querystring: z.strictObject({}),
      response: {
        200: bytes('Its data as it is.', { ETag: 'Names these bytes, which never change.' }),
        304: empty('The client has them already.', { ETag: 'The same.' }),
      },
    },
    handler: async ({ params, headers, grant }, reply) => {
      const { message } = await history.get(params.id)
      requireTopic(grant, message.topic)
      const etag = `"${message.id}"`
      reply.headers({ etag, 'cache-control': 'private, max-age=31536000, immutable' })
      if (matchesTag(headers['if-none-match'], etag)) return reply.code(304).send()
      reply.type('application/octet-stream').header('content-disposition', `attachment; filename="${message.id}.bin"`)
      return Buffer.from(message.data)
    },
  })
}

/** Direct messages lie in a place of their own, which a scan finds without looking at the others. */
function filterOf(topics: string[] | undefined, kind: MessageKind | undefined): TopicFilter | undefined {
  if (topics !== undefined) return topicFilter(topics)
  return kind === 'direct' ? { exact: [directTopic], prefixes: [] } : undefined
}

function pageView({ items, damaged, next, caughtUp, epoch }: Page, encoding: Encoding | undefined) {
  const gaps = damaged.map(({ seq, topic }) => ({
    ...placeOf(topic),
    from: formatCursor(epoch, seq - 1),
    to: formatCursor(epoch, seq),
    reason: 'damaged' as const,
  }))
  return { items: items.map((message) => messageView(message, epoch, encoding)), ...(gaps.length === 0 ? {} : { gaps }), next, caughtUp }
}

/** RFC 9110 §13.1.2, by weak comparison. */
function matchesTag(condition: unknown, etag: string): boolean {
  if (typeof condition !== 'string') return false
  return condition.split(',').some((tag) => tag.trim() === '*' || tag.trim().replace(/^W\//, '') === etag)
}
