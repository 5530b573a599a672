import { z } from 'zod'
import { actorSchema } from './actor.ts'
import { cursorSchema, positionSchema } from './cursor.ts'
import { gapFields } from './gap.ts'
import { messageSchema } from './message.ts'
import { topicPatternSchema } from './topic.ts'

export const maxWebhookUrlLength = 2_048
/** Maximum time in which a receiver must answer, in milliseconds. */
export const maxWebhookTimeoutMs = 30_000

const headerNameSchema = z
  .string()
  .max(100)
  .regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/)
  .meta({ example: 'Authorization' })

const fields = {
  url: z
    .string()
    .max(maxWebhookUrlLength)
    .describe(
      'URL that the messages are sent to: `https`, or `http`. Its host must have a public address, unless the operator allows it ' +
        '(`PEERGATE_WEBHOOK_ALLOW`).',
    )
    .meta({ minLength: 1, example: 'https://app.example/hooks/orders' }),
  topics: z.array(topicPatternSchema).max(100).describe('Topics and patterns whose messages are sent.'),
  direct: z.boolean().describe('Whether direct messages to this gateway are sent too. Needs a token that allows `direct`.'),
  batchSize: z.int().min(1).max(500).describe('Maximum messages in a request.'),
  batchMs: z.int().min(0).max(60_000).describe('Time that a request which is not full waits for more messages, in milliseconds.'),
  timeoutMs: z
    .int()
    .min(100)
    .max(maxWebhookTimeoutMs)
    .describe('Time in which the receiver must answer, in milliseconds. Then the request has failed.'),
  headers: z
    .array(
      z
        .strictObject({
          name: headerNameSchema,
          value: z
            .string()
            .max(1_000)
            .regex(/^[ -~]*$/)
            .meta({ example: 'Bearer secret' }),
        })
        .meta({ id: 'WebhookHeader', description: 'A header field.' }),
    )
    .max(20)
    .describe('Additional header fields of each request, such as `Authorization`.'),
}

/** A webhook as requested by a client. */
export const webhookInputSchema = z
  .strictObject({
    url: fields.url,
    topics: fields.topics.default([]),
    direct: fields.direct.default(false),
    // Without a default of the schema: a generator takes it for the name of a constant.
    after: positionSchema.optional().describe('Position after which the messages are sent. Default: `latest`, only messages from now on.'),
    batchSize: fields.batchSize.default(100),
    batchMs: fields.batchMs.default(0),
    timeoutMs: fields.timeoutMs.default(15_000),
    headers: fields.headers.default([]),
  })
  .meta({ id: 'WebhookInput', description: 'A webhook to create.' })
export type WebhookInput = z.output<typeof webhookInputSchema>

export const webhookStateSchema = z.enum(['active', 'paused']).meta({
  description: '`active`: messages are sent. `paused`: nothing is sent until a client sets it to `active`.',
  example: 'active',
})

export const webhookChangesSchema = z
  .strictObject({
    url: fields.url.optional(),
    topics: fields.topics.optional(),
    direct: fields.direct.optional(),
    batchSize: fields.batchSize.optional(),
    batchMs: fields.batchMs.optional(),
    timeoutMs: fields.timeoutMs.optional(),
    headers: fields.headers.optional(),
    state: webhookStateSchema.optional(),
    after: positionSchema.optional().describe('Position to continue from: `earliest`, or an earlier cursor, sends messages again.'),
  })
  .meta({ id: 'WebhookChanges', description: 'What changes of a webhook.' })
export type WebhookChanges = z.output<typeof webhookChangesSchema>

const gapSchema = z.object(gapFields).meta({ id: 'Gap' })

export const webhookSchema = z
  .object({
    id: z.string().meta({ example: 'wh_0m1k3x9v2q7b4f0e2d1c' }),
    ...fields,
    // Their values are secrets of the receiver, and other tokens with `admin` see the webhook.
    headers: z
      .array(
        z
          .object({ name: headerNameSchema })
          .meta({ id: 'WebhookHeaderShown', description: 'A header field of the requests, without its value.' }),
      )
      .describe('Additional header fields of each request. Their values are not shown; a change without `headers` keeps them.'),
    state: webhookStateSchema,
    cursor: cursorSchema.describe('Everything up to this position was accepted by the receiver.'),
    failures: z.int().min(0).describe('Failed attempts since the last one that was accepted.'),
    failingSince: z.iso.datetime().nullable().describe('Time of the first of them; null when the last attempt was accepted.'),
    retryAt: z.iso.datetime().nullable().describe('Time of the next attempt, after one that failed.'),
    lastError: z.string().nullable().describe('Why the last attempt failed, or why the webhook was paused.'),
    acceptedAt: z.iso.datetime().nullable().describe('Time of the last attempt that was accepted.'),
    gap: gapSchema.optional().describe('The last messages that the receiver was not sent, because the log no longer had them.'),
    oldSecretUntil: z.iso.datetime().nullable().describe('Time until which a replaced secret signs too.'),
    publicKeys: z
      .array(z.string())
      .describe('Public keys of the gateways that may send, for the signatures `v1a`: `whpk_` and the Ed25519 key in base64.')
      .meta({ example: ['whpk_Zm9yIGV4YW1wbGUsIG5vdCBhIGtleSBvZiBhbnlvbmU='] }),
    createdAt: z.iso.datetime(),
    createdBy: actorSchema,
  })
  .meta({ id: 'Webhook', description: 'A webhook, without its secret.' })
export type WebhookView = z.infer<typeof webhookSchema>

export const newWebhookSchema = webhookSchema
  .extend({
    secret: z
      .string()
      .describe('Secret of the signatures `v1`. It is returned only once.')
      .meta({ example: 'whsec_Zm9yIGV4YW1wbGUsIG5vdCBhIHNlY3JldCBvZiBhbnk=' }),
  })
  .meta({ id: 'WebhookWithSecret', description: 'A webhook, with its secret.' })
export type WebhookWithSecret = z.infer<typeof newWebhookSchema>

export const webhookAttemptSchema = z
  .object({
    at: z.iso.datetime(),
    webhookId: z.string().describe('The header `webhook-id` of the request; each attempt to send the same messages has the same.'),
    messages: z.int().min(0).describe('Number of messages in the request.'),
    status: z.int().nullable().describe('Status of the answer; null without one.'),
    durationMs: z.int().min(0),
    error: z.string().nullable().describe('Why it failed; null when it was accepted.'),
  })
  .meta({ id: 'WebhookAttempt', description: 'An attempt to send messages to the receiver of a webhook.' })
export type WebhookAttemptView = z.infer<typeof webhookAttemptSchema>

export const webhookTestSchema = z
  .object({
    ...webhookAttemptSchema.omit({ messages: true }).shape,
    body: z.string().describe('The first 4,096 characters of the answer.'),
  })
  .meta({ id: 'WebhookTest', description: 'What the receiver of a webhook answered to a test.' })
export type WebhookTestView = z.infer<typeof webhookTestSchema>

/** The body of a request to a receiver. */
export const webhookBodySchema = z
  .object({
    type: z.enum(['messages', 'test']).describe('`test` for the request of `testWebhook`, which has no messages.'),
    webhook: z.string().describe('Id of the webhook.'),
    items: z.array(messageSchema).describe('Messages, in the order of the log.'),
    gap: z.array(gapSchema).optional().describe('Messages before these, or among them, that the log no longer had.'),
  })
  .meta({ id: 'WebhookBody', description: 'What a webhook sends to its receiver.' })
