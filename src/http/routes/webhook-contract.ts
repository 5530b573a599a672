import { z } from 'zod'
import { nameSchema } from '../../model/text.ts'
import {
  newWebhookSchema,
  webhookAttemptSchema,
  webhookChangesSchema,
  webhookInputSchema,
  webhookSchema,
  webhookTestSchema,
} from '../../model/webhook.ts'
import { newWebhookExample, webhookAttemptExample, webhookExample, webhookTestExample } from '../examples.ts'
import { limitQuery } from '../inputs.ts'
import { declareRoute, empty, json, noBody, noQuery } from '../operation.ts'
import { patternsOfChanges, patternsOfWebhook } from '../topic-rights.ts'

const idParams = z.strictObject({ id: nameSchema(100) })
const pageSchema = z
  .object({
    items: z.array(webhookSchema),
    next: z.string().nullable().describe('Value of `after` for the next page; null on the last page.'),
  })
  .meta({ id: 'WebhookPage' })
const attemptsSchema = z.object({ items: z.array(webhookAttemptSchema) }).meta({ id: 'WebhookAttempts' })

const ofSettings = ['invalid_webhook', 'dial_forbidden', 'topic_limit']
const ofPosition = ['invalid_cursor', 'cursor_epoch_mismatch', 'cursor_ahead', 'cursor_expired']

export const webhookContract = {
  createWebhook: declareRoute({
    method: 'POST',
    url: '/v1/webhooks',
    config: {
      operation: {
        action: 'webhooks',
        audited: true,
        cost: 20,
        topics: patternsOfWebhook,
        operationId: 'createWebhook',
        summary: 'Create a webhook',
        description:
          'Messages of the topics are sent to the URL by POST, in the order of the log, at least once: `{type, webhook, items}`, signed as ' +
          'Standard Webhooks specifies. The next request follows when the receiver has answered with a status from 200 to 299. The webhook reads with ' +
          'the rights of the token, which must allow `read` too, and is paused when the token ends. See docs/webhooks.md.',
        tag: 'Webhooks',
        repetition: 'A repetition creates another webhook.',
        problems: [...ofSettings, ...ofPosition, 'webhook_limit', 'store_unavailable'],
      },
    },
    schema: {
      querystring: noQuery,
      body: webhookInputSchema.meta({ example: { url: 'https://app.example/hooks/orders', topics: ['orders.>'] } }),
      response: { 201: json('The webhook, with its secret.', newWebhookSchema, newWebhookExample, { Location: 'URL of the webhook.' }) },
    },
  }),
  listWebhooks: declareRoute({
    method: 'GET',
    url: '/v1/webhooks',
    config: {
      operation: {
        action: 'webhooks',
        operationId: 'listWebhooks',
        work: 'list',
        summary: 'List webhooks',
        description: 'The webhooks that the token made; all webhooks for a token that allows `admin`.',
        tag: 'Webhooks',
        topics: 'visible',
        problems: ['store_unavailable'],
      },
    },
    schema: {
      querystring: z.strictObject({
        after: nameSchema(64).optional().describe('Only webhooks created after this one: the `next` of the previous page.'),
        limit: limitQuery,
      }),
      response: { 200: json('A page of webhooks, oldest first.', pageSchema, { items: [webhookExample], next: null }) },
    },
  }),
  getWebhook: declareRoute({
    method: 'GET',
    url: '/v1/webhooks/:id',
    config: {
      operation: {
        action: 'webhooks',
        operationId: 'getWebhook',
        summary: 'Get a webhook',
        tag: 'Webhooks',
        problems: ['webhook_not_found', 'store_unavailable'],
      },
    },
    schema: { params: idParams, querystring: noQuery, response: { 200: json('The webhook.', webhookSchema, webhookExample) } },
  }),
  changeWebhook: declareRoute({
    method: 'PATCH',
    url: '/v1/webhooks/:id',
    config: {
      operation: {
        action: 'webhooks',
        audited: true,
        topics: patternsOfChanges,
        operationId: 'changeWebhook',
        summary: 'Change, pause, resume or replay a webhook',
        description:
          '`state` pauses or resumes. `after` continues from another position. What is not given stays. A request that is on its way may ' +
          'still arrive. A token that allows `admin` can change the state of every webhook; only the token that made it can change the rest.',
        tag: 'Webhooks',
        problems: [...ofSettings, ...ofPosition, 'webhook_not_found', 'webhook_changed', 'store_unavailable'],
      },
    },
    schema: {
      params: idParams,
      querystring: noQuery,
      body: webhookChangesSchema.meta({ example: { topics: ['orders.>'], state: 'active', after: 'earliest' } }),
      response: { 200: json('The webhook.', webhookSchema, webhookExample) },
    },
  }),
  deleteWebhook: declareRoute({
    method: 'DELETE',
    url: '/v1/webhooks/:id',
    config: {
      operation: {
        action: 'webhooks',
        audited: true,
        operationId: 'deleteWebhook',
        summary: 'Delete a webhook',
        tag: 'Webhooks',
        problems: ['webhook_not_found', 'store_unavailable'],
      },
    },
    schema: { params: idParams, querystring: noQuery, response: { 204: empty('The webhook is deleted.') } },
  }),
  rotateWebhookSecret: declareRoute({
    method: 'POST',
    url: '/v1/webhooks/:id/secret',
    config: {
      operation: {
        action: 'webhooks',
        audited: true,
        operationId: 'rotateWebhookSecret',
        summary: 'Replace the secret of a webhook',
        description: 'For a day, requests are signed with both secrets, so that the receiver can be changed meanwhile.',
        tag: 'Webhooks',
        repetition: 'A repetition replaces the secret again: only the last two sign.',
        problems: ['webhook_not_found', 'webhook_changed', 'store_unavailable'],
      },
    },
    schema: {
      params: idParams,
      querystring: noQuery,
      body: noBody,
      response: { 200: json('The webhook, with its new secret.', newWebhookSchema, newWebhookExample) },
    },
  }),
  testWebhook: declareRoute({
    method: 'POST',
    url: '/v1/webhooks/:id/test',
    config: {
      operation: {
        action: 'webhooks',
        cost: 50,
        operationId: 'testWebhook',
        summary: 'Send a test to a webhook',
        description:
          'Sends a request of the type `test`, without messages, and returns what the receiver answered. Also works while the webhook is paused.',
        tag: 'Webhooks',
        repetition: 'A repetition sends another test.',
        problems: ['webhook_not_found', 'store_unavailable'],
      },
    },
    schema: {
      params: idParams,
      querystring: noQuery,
      body: noBody,
      response: { 200: json('What the receiver answered.', webhookTestSchema, webhookTestExample) },
    },
  }),
  listWebhookAttempts: declareRoute({
    method: 'GET',
    url: '/v1/webhooks/:id/attempts',
    config: {
      operation: {
        action: 'webhooks',
        operationId: 'listWebhookAttempts',
        work: 'list',
        summary: 'List the last attempts of a webhook',
        tag: 'Webhooks',
        problems: ['webhook_not_found', 'store_unavailable'],
      },
    },
    schema: {
      params: idParams,
      querystring: noQuery,
      response: { 200: json('The last 100 attempts, newest first.', attemptsSchema, { items: [webhookAttemptExample] }) },
    },
  }),
}
