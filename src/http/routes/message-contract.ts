import { z } from 'zod'
import { cursorSchema, positionSchema } from '../../model/cursor.ts'
import { gapFields } from '../../model/gap.ts'
import { messageKindSchema, messageSchema } from '../../model/message.ts'
import { wantedEncodingSchema } from '../../model/payload.ts'
import { nameSchema } from '../../model/text.ts'
import { messageExample } from '../examples.ts'
import { flagQuery, limitQuery, peerIdInput, timeQuery, topicParams, topicsQuery, waitQuery } from '../inputs.ts'
import { bytes, declareRoute, empty, json, noQuery } from '../operation.ts'
import { patternsOfPage, topicOfPath } from '../topic-rights.ts'

const pageQuery = {
  after: positionSchema.optional().describe('Only messages after this position. Makes `asc` the default of `order`.'),
  before: positionSchema.optional().describe('Only messages before the one at this cursor; `latest` excludes none.'),
  since: timeQuery.optional().describe('Only messages received at or after this time.'),
  until: timeQuery.optional().describe('Only messages received before this time.'),
  from: peerIdInput.optional().describe('Only messages of this author.'),
  order: z
    .enum(['asc', 'desc'])
    .optional()
    .describe('Order: `asc` for oldest first, `desc` for newest first. Default: `asc` with `after`, otherwise `desc`.'),
  limit: limitQuery,
  waitMs: waitQuery
    .optional()
    .describe('Maximum time to wait for a matching message before an empty page is returned, in milliseconds (long poll).'),
  encoding: wantedEncodingSchema,
  count: flagQuery.optional().describe('Whether to count all matching messages of the requested range, too.'),
}

const pageSchema = z
  .object({
    items: z.array(messageSchema),
    gaps: z
      .array(z.object(gapFields).meta({ id: 'Gap' }))
      .optional()
      .describe(
        'Damaged and deleted messages of the requested topics in the range that this page covers. They may include messages that the other filters exclude.',
      ),
    newer: cursorSchema.describe(
      'Position of the messages after this page: `after` of the next page in ascending order, or of a subscription.',
    ),
    older: cursorSchema.describe('Position of the messages before this page: `before` of the next page in descending order.'),
    caughtUp: z
      .boolean()
      .describe('Whether this page reached the end of the requested range. Until then a page can be short or even empty.'),
    count: z.int().min(0).optional().describe('Number of matching messages in the requested range, with `count`.'),
    countIsExact: z
      .boolean()
      .optional()
      .describe('Whether the whole range was counted. Otherwise it has at least `count` messages: narrow the range to count the rest.'),
  })
  .meta({ id: 'MessagePage' })

const purgedSchema = z.object({ removed: z.int().min(0).describe('Number of messages removed.') }).meta({ id: 'PurgedMessages' })

const pageAnswers = {
  200: json('A page of messages.', pageSchema, { items: [messageExample], newer: 'k3v9q2.1041', older: 'k3v9q2.1041', caughtUp: true }),
}

const pageProblems = [
  'parameters_conflict',
  'invalid_cursor',
  'cursor_epoch_mismatch',
  'cursor_ahead',
  'cursor_expired',
  'overloaded',
  'store_unavailable',
]
const pageDescription =
  'Without `after` and `before`, the newest messages, newest first. To read everything from a position, pass it as `after`, ' +
  'then each page’s `newer` as the following `after`, until `caughtUp`. A request examines at most 20,000 messages, matching or not, and every 40 ' +
  'cost a unit of the rate limit. A page that ends there, or where the budget ends, is short or empty; continue from its `newer` or `older`. ' +
  'With `count`, the page also has the number of matching messages in the whole range. The count uses what the page left of the 20,000, ' +
  'but costs nothing for all messages of topics without other filters.'

const { description, example } = messageSchema.shape.id.meta() ?? {}
const idParams = z.strictObject({ id: nameSchema(256).meta({ description, example }) })

export const messageContract = {
  listTopicMessages: declareRoute({
    method: 'GET',
    url: '/v1/topics/:topic/messages',
    config: {
      operation: {
        action: 'read',
        cost: 5,
        topics: topicOfPath,
        operationId: 'listTopicMessages',
        summary: 'List messages of a topic',
        description: pageDescription,
        tag: 'Messages',
        problems: [...pageProblems, 'topic_not_found'],
      },
    },
    schema: { params: topicParams, querystring: z.strictObject(pageQuery), response: pageAnswers },
  }),
  purgeTopic: declareRoute({
    method: 'DELETE',
    url: '/v1/topics/:topic/messages',
    config: {
      operation: {
        action: 'admin',
        audited: true,
        topics: topicOfPath,
        operationId: 'purgeTopic',
        summary: 'Remove messages of a topic',
        description:
          'Removes the stored messages of the topic up to a position, here only: other peers keep theirs, and they do not come back from them. ' +
          'The topic stays joined. Readers that were not sent them are told as of pruned messages: by a `gap`, or 410 `cursor_expired`.',
        tag: 'Messages',
        problems: ['invalid_cursor', 'cursor_epoch_mismatch', 'cursor_ahead', 'topic_not_found', 'store_unavailable'],
      },
    },
    schema: {
      params: topicParams,
      querystring: z.strictObject({
        through: positionSchema.describe('The cursor of the last message to remove, or `latest` to remove all messages.'),
      }),
      response: { 200: json('The messages were removed.', purgedSchema, { removed: 12 }) },
    },
  }),
  listMessages: declareRoute({
    method: 'GET',
    url: '/v1/messages',
    config: {
      operation: {
        action: 'read',
        cost: 5,
        topics: patternsOfPage,
        operationId: 'listMessages',
        summary: 'List messages of all or several topics',
        description: pageDescription,
        tag: 'Messages',
        problems: pageProblems,
      },
    },
    schema: {
      querystring: z.strictObject({
        topic: topicsQuery.optional(),
        kind: messageKindSchema.optional().describe('Only messages of this kind. Direct messages need a token that allows `direct`.'),
        to: peerIdInput.optional().describe('Only direct messages to this peer.'),
        ...pageQuery,
      }),
      response: pageAnswers,
    },
  }),
  getMessage: declareRoute({
    method: 'GET',
    url: '/v1/messages/:id',
    config: {
      operation: {
        action: 'read',
        topics: 'message',
        operationId: 'getMessage',
        summary: 'Get a message',
        tag: 'Messages',
        problems: ['message_not_found', 'store_unavailable'],
      },
    },
    schema: {
      params: idParams,
      querystring: z.strictObject({ encoding: wantedEncodingSchema }),
      response: { 200: json('The message.', messageSchema, messageExample) },
    },
  }),
  deleteMessage: declareRoute({
    method: 'DELETE',
    url: '/v1/messages/:id',
    config: {
      operation: {
        action: 'admin',
        audited: true,
        topics: 'message',
        operationId: 'deleteMessage',
        summary: 'Delete a message',
        description:
          'Deletes the stored message at all gateways of this database, and only there: other peers keep theirs, and it does not come back from ' +
          'them. Readers that pass its place get a `gap` with the reason `deleted`, as long as ids are kept (`seenWindowMs`, a week).',
        tag: 'Messages',
        problems: ['message_not_found', 'store_unavailable'],
      },
    },
    schema: { params: idParams, querystring: noQuery, response: { 204: empty('The message is deleted.') } },
  }),
  getMessageData: declareRoute({
    method: 'GET',
    url: '/v1/messages/:id/data',
    config: {
      operation: {
        action: 'read',
        topics: 'message',
        operationId: 'getMessageData',
        summary: 'Get the data of a message',
        tag: 'Messages',
        problems: ['message_not_found', 'store_unavailable'],
      },
    },
    schema: {
      params: idParams,
      querystring: z.strictObject({}),
      response: {
        200: bytes('The data of the message, as raw bytes.', { ETag: 'Entity tag of the data, which never changes.' }),
        304: empty('The client already has the data.', { ETag: 'Entity tag of the data.' }),
      },
    },
  }),
}
