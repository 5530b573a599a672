import { z } from 'zod'
import { consumerChangeSchema, consumerNameSchema, consumerSchema, consumerStateSchema } from '../../model/consumer.ts'
import { positionSchema } from '../../model/cursor.ts'
import { wantedEncodingSchema } from '../../model/payload.ts'
import { claimExample, consumerExample, consumerStateExample, messageExample } from '../examples.ts'
import { limitQuery } from '../inputs.ts'
import { declareRoute, empty, json, noQuery } from '../operation.ts'
import {
  ackSchema,
  createSchema,
  parkedSchema,
  pulledSchema,
  pullSchema,
  replayedSchema,
  replaySchema,
  settledSchema,
  topicsOfConsumer,
} from './consumer-bodies.ts'

const params = z.strictObject({ name: consumerNameSchema })

const operation = { action: 'consume', tag: 'Consumers' } as const
/** Of those that only look. */
const looking = { ...operation, action: 'read' } as const
const problems = ['consumer_not_found', 'store_unavailable']

export const consumerContract = {
  createConsumer: declareRoute({
    method: 'PUT',
    url: '/v1/consumers/:name',
    config: {
      operation: {
        ...operation,
        cost: 10,
        topics: topicsOfConsumer,
        operationId: 'createConsumer',
        summary: 'Create a consumer',
        description:
          'A consumer is a position in the log that workers share, at any gateway of the database. Each message of its topics is with one worker at ' +
          'a time, and goes to another one when it is not acknowledged in time: at least once. Its topics stay joined until it is removed. ' +
          'An existing consumer with the same settings stays as it is, whatever `after` says.',
        problems: [
          'parameters_conflict',
          'consumer_exists',
          'consumer_limit',
          'topic_limit',
          'invalid_cursor',
          'cursor_epoch_mismatch',
          'cursor_ahead',
          'cursor_expired',
          'store_unavailable',
        ],
      },
    },
    schema: {
      params,
      querystring: noQuery,
      body: createSchema.meta({ example: { topics: ['orders.>'], after: 'earliest', maxDeliveries: 5 } }),
      response: {
        201: json('The consumer was created.', consumerSchema, consumerExample),
        200: json('The consumer exists, with these settings.', consumerSchema, consumerExample),
      },
    },
  }),
  listConsumers: declareRoute({
    method: 'GET',
    url: '/v1/consumers',
    config: {
      operation: {
        ...looking,
        cost: 5,
        topics: 'visible',
        operationId: 'listConsumers',
        work: 'list',
        summary: 'List consumers',
        description: 'By name; those whose topics the token allows.',
        problems: ['store_unavailable'],
      },
    },
    schema: {
      querystring: noQuery,
      response: {
        200: json('The consumers.', z.object({ items: z.array(consumerSchema) }).meta({ id: 'ConsumerList' }), {
          items: [consumerExample],
        }),
      },
    },
  }),
  getConsumer: declareRoute({
    method: 'GET',
    url: '/v1/consumers/:name',
    config: {
      operation: {
        ...looking,
        cost: 10,
        topics: 'consumer',
        operationId: 'getConsumer',
        summary: 'Get a consumer, and what it has to do',
        description: 'Costs rows of the log, as a page with a count does.',
        problems: [...problems, 'overloaded'],
      },
    },
    schema: { params, querystring: noQuery, response: { 200: json('The consumer.', consumerStateSchema, consumerStateExample) } },
  }),
  updateConsumer: declareRoute({
    method: 'PATCH',
    url: '/v1/consumers/:name',
    config: {
      operation: {
        ...operation,
        topics: 'consumer',
        operationId: 'updateConsumer',
        summary: 'Change how a consumer delivers',
        description: 'For the client that created it, and with the action `admin`. Messages that workers have keep their time.',
        problems,
      },
    },
    schema: {
      params,
      querystring: noQuery,
      body: consumerChangeSchema.meta({ example: { maxUnacked: 100 } }),
      response: { 200: json('The consumer.', consumerSchema, consumerExample) },
    },
  }),
  removeConsumer: declareRoute({
    method: 'DELETE',
    url: '/v1/consumers/:name',
    config: {
      operation: {
        ...operation,
        topics: 'consumer',
        operationId: 'removeConsumer',
        summary: 'Remove a consumer',
        description: 'For the client that created it, and with the action `admin`. The messages stay in the log. Its workers are ended.',
        problems,
      },
    },
    schema: { params, querystring: noQuery, response: { 204: empty('The consumer was removed.') } },
  }),
  pullMessages: declareRoute({
    method: 'POST',
    url: '/v1/consumers/:name/pull',
    config: {
      operation: {
        ...operation,
        cost: 5,
        topics: 'consumer',
        operationId: 'pullMessages',
        summary: 'Take messages of a consumer',
        description: 'They are with the caller for `ackWaitMs`. Those that are not acknowledged by then are delivered again.',
        repetition: 'A repetition takes other messages. What an answer that was lost has taken is delivered again after `ackWaitMs`.',
        problems: [...problems, 'overloaded'],
      },
    },
    schema: {
      params,
      querystring: noQuery,
      body: pullSchema.optional().meta({ example: { limit: 10, waitMs: 20_000 } }),
      response: { 200: json('The messages.', pulledSchema, { items: [{ message: messageExample, attempt: 1, claim: claimExample }] }) },
    },
  }),
  acknowledgeMessages: declareRoute({
    method: 'POST',
    url: '/v1/consumers/:name/acks',
    config: {
      operation: {
        ...operation,
        topics: 'consumer',
        operationId: 'acknowledgeMessages',
        summary: 'Acknowledge messages of a consumer',
        description:
          'At any gateway of the database. When it is answered, it is durable: messages that were acknowledged or dropped never come back. `ack` and ' +
          '`drop` are about the message, also when its time is over and another worker has it; `retry` and `progress` are about one delivery.',
        repetition: 'A repetition of `ack`, `drop` and `retry` changes nothing; one of `progress` begins the time anew.',
        problems: [...problems, 'parameters_conflict'],
      },
    },
    schema: {
      params,
      querystring: noQuery,
      body: ackSchema.meta({ example: { ids: [messageExample.id] } }),
      response: { 200: json('What was settled.', settledSchema, { settled: [messageExample.id], unknown: [] }) },
    },
  }),
  listParkedMessages: declareRoute({
    method: 'GET',
    url: '/v1/consumers/:name/parked',
    config: {
      operation: {
        ...looking,
        cost: 10,
        topics: 'consumer',
        operationId: 'listParkedMessages',
        work: 'list',
        summary: 'List parked messages of a consumer',
        description:
          'Messages that were delivered `maxDeliveries` times and not acknowledged. They are settled by `ack` or `drop`, or replayed.',
        problems: [...problems, 'invalid_cursor', 'cursor_epoch_mismatch', 'cursor_ahead'],
      },
    },
    schema: {
      params,
      querystring: z.strictObject({
        after: positionSchema.optional().describe('Only messages after this one: the `next` of the previous page.'),
        limit: limitQuery,
        encoding: wantedEncodingSchema,
      }),
      response: {
        200: json('A page of parked messages, oldest first.', parkedSchema, {
          items: [{ id: messageExample.id, cursor: messageExample.cursor, attempts: 5, message: messageExample }],
          next: null,
        }),
      },
    },
  }),
  replayParkedMessages: declareRoute({
    method: 'POST',
    url: '/v1/consumers/:name/parked/replay',
    config: {
      operation: {
        ...operation,
        topics: 'consumer',
        operationId: 'replayParkedMessages',
        summary: 'Deliver parked messages again',
        description: 'From their first attempt.',
        repetition: 'A repetition replays what was parked meanwhile.',
        problems,
      },
    },
    schema: {
      params,
      querystring: noQuery,
      body: replaySchema.optional().meta({ example: {} }),
      response: { 200: json('How many.', replayedSchema, { replayed: 3 }) },
    },
  }),
}
