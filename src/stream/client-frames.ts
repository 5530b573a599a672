import { z } from 'zod'
import type { Limits } from '../limits.ts'
import type { Action, TokenAction } from '../model/action.ts'
import { ackFields, ackVerdictSchema, consumerNameSchema, retryDelaySchema } from '../model/consumer.ts'
import { positionSchema } from '../model/cursor.ts'
import { expirySchema } from '../model/delivery.ts'
import type { Grant } from '../model/grant.ts'
import { idempotencyKeySchema } from '../model/idempotency-key.ts'
import { dataSchema, encodingSchema } from '../model/payload.ts'
import { peerIdSchema } from '../model/peer.ts'
import { serviceSchema } from '../model/service.ts'
import { nameSchema, textSchema } from '../model/text.ts'
import { exactly, subscriptionFilter, type TopicFilter, topicPatternSchema, topicSchema } from '../model/topic.ts'
import { maxDeadlineMs } from '../model/validator.ts'
import { verdictSchema } from '../model/verdict.ts'

/** The frames that a client can send on `GET /v1/stream`: schemas, required rights, costs and size limits. */

export const frameIdSchema = z
  .union([nameSchema(128), z.int()])
  .describe('Frame id chosen by the client: text, or a whole number. The answer carries the same id; pushed frames carry none.')

export const subscriptionNameSchema = nameSchema(128).describe('Name of the subscription. Absent for the unnamed subscription.')

/** A reference without a description: generators of AsyncAPI would make a type of each description. */
const encoding = encodingSchema.optional()

/** Data of a frame. In CBOR it is a byte string without an encoding. */
const payload = { data: dataSchema, encoding }

/** Maximum topics of a subscription that `maxSubscriptionTopics` can be set to. */
const maxTopicsOfSubscription = 1_000

const subscribeSchema = z
  .strictObject({
    type: z.literal('subscribe'),
    id: frameIdSchema.optional(),
    subscription: subscriptionNameSchema.optional(),
    topics: z.array(topicPatternSchema).max(maxTopicsOfSubscription).optional(),
    direct: z.boolean().optional().describe('Whether to include direct messages; the token must allow `direct`.'),
    peers: z.boolean().optional().describe('Whether to push changes of peers.'),
    deliveries: z.boolean().optional().describe('Whether to push changes of deliveries; the token must allow `direct`.'),
    own: z
      .boolean()
      .optional()
      .describe(
        'Whether to send messages that this connection publishes while it has the subscription; `false` is `no_echo` of NATS and `noLocal` of MQTT. ' +
          'Default: true.',
      ),
    after: positionSchema.optional(),
    consumer: consumerNameSchema
      .optional()
      .describe(
        'A consumer whose messages this connection works on, in place of topics and a position. It acknowledges them with `ack`; the token must ' +
          'allow `consume`.',
      ),
    maxUnacked: z
      .int()
      .min(1)
      .max(10_000)
      .optional()
      .describe('Maximum number of messages of the consumer that this connection has at a time. Default: 100.'),
    encoding,
  })
  .describe('Creates a subscription, or replaces the one of that name. Answered with `subscribed`.')

const unsubscribeSchema = z
  .strictObject({
    type: z.literal('unsubscribe'),
    id: frameIdSchema.optional(),
    subscription: subscriptionNameSchema.optional(),
  })
  .describe('Ends a subscription. Answered with `unsubscribed`.')

const ackSchema = z
  .strictObject({
    type: z.literal('ack'),
    id: frameIdSchema.optional(),
    consumer: consumerNameSchema,
    ...ackFields,
    verdict: ackVerdictSchema.optional(),
    delayMs: retryDelaySchema.optional(),
  })
  .describe('Says what became of messages of a consumer. Default verdict: `ack`. Answered with `acked` if it has an `id`.')

const publishSchema = z
  .strictObject({
    type: z.literal('publish'),
    id: frameIdSchema.optional(),
    topic: topicSchema,
    ...payload,
    idempotencyKey: idempotencyKeySchema.optional(),
  })
  .describe('Publishes a message. Answered with `published`.')

const sendSchema = z
  .strictObject({
    type: z.literal('send'),
    id: frameIdSchema.optional(),
    to: peerIdSchema,
    ...payload,
    expiresInMs: expirySchema.optional(),
    idempotencyKey: idempotencyKeySchema.optional(),
  })
  .describe('Sends a direct message to a peer. Answered with `queued`.')

export const requestSchema = z
  .strictObject({
    type: z.literal('request'),
    id: frameIdSchema.optional(),
    to: peerIdSchema,
    service: serviceSchema,
    ...payload,
    timeoutMs: z
      .int()
      .min(1)
      .optional()
      .describe('Maximum time to wait for the response, in milliseconds. Default: `requestMs`. Maximum: `requestTimeoutMs`.'),
  })
  .describe('Sends a request to a service of a peer. Answered with `response`.')

/** Maximum concurrency that a service provider can announce. */
const maxConcurrency = 1_000

const serveSchema = z
  .strictObject({
    type: z.literal('serve'),
    id: frameIdSchema.optional(),
    service: serviceSchema,
    concurrency: z
      .int()
      .min(1)
      .max(maxConcurrency)
      .optional()
      .describe('Maximum number of requests in progress at this connection. Default: 1.'),
    encoding,
  })
  .describe('Provides a service. Answered with `serving`; requests then arrive as `request`.')

const unserveSchema = z
  .strictObject({ type: z.literal('unserve'), id: frameIdSchema.optional(), service: serviceSchema })
  .describe('Stops providing a service. Answered with `unserved`.')

/** Maximum characters of a service's error text. */
const maxErrorLength = 1_000

const replySchema = z
  .strictObject({
    type: z.literal('reply'),
    id: frameIdSchema.optional(),
    requestId: nameSchema(64),
    data: payload.data.optional(),
    encoding: payload.encoding,
    error: textSchema(maxErrorLength).min(1).optional().describe('Error text for the requester, in place of `data`.'),
  })
  .describe('Answers a `request` of the gateway. Answered with `replied` if it has an `id`.')

const validateSchema = z
  .strictObject({
    type: z.literal('validate'),
    id: frameIdSchema.optional(),
    topic: topicSchema,
    deadlineMs: z.int().min(1).max(maxDeadlineMs).optional().describe('Maximum time for a verdict, in milliseconds. Default: 1,000.'),
    default: verdictSchema.optional(),
    encoding,
  })
  .describe(
    'Registers a validator of a topic. Answered with `validating`; messages then arrive as `validation`. `default` is the verdict on a ' +
      'message that gets none before the deadline; without it, `ignore`.',
  )

const unvalidateSchema = z
  .strictObject({ type: z.literal('unvalidate'), id: frameIdSchema.optional(), topic: topicSchema })
  .describe('Removes a validator of a topic. Answered with `unvalidated`.')

const verdictFrameSchema = z
  .strictObject({
    type: z.literal('verdict'),
    id: frameIdSchema.optional(),
    validationId: nameSchema(64),
    verdict: verdictSchema,
  })
  .describe('Answers a `validation` of the gateway. Answered with `judged` if it has an `id`.')

/** Maximum characters of a token: far more than any token has. */
export const maxTokenLength = 8_192

const authSchema = z
  .strictObject({
    type: z.literal('auth'),
    id: frameIdSchema.optional(),
    token: z.string().min(1).max(maxTokenLength).describe('Token that the connection uses from now on.'),
  })
  .describe('Replaces the token of the connection. Answered with `authenticated`.')

const pingSchema = z
  .strictObject({ type: z.literal('ping'), id: frameIdSchema.optional() })
  .describe('Checks the connection. Answered with `pong`.')

export const clientFrameSchema = z.discriminatedUnion('type', [
  subscribeSchema,
  unsubscribeSchema,
  publishSchema,
  ackSchema,
  sendSchema,
  requestSchema,
  serveSchema,
  unserveSchema,
  replySchema,
  validateSchema,
  unvalidateSchema,
  verdictFrameSchema,
  authSchema,
  pingSchema,
])

export type ClientFrame = z.infer<typeof clientFrameSchema>

export type SubscribeFrame = z.infer<typeof subscribeSchema>

export type FrameId = z.infer<typeof frameIdSchema>

/** What a client frame needs and costs. */
interface FrameRule {
  /** Action that the token must allow. */
  action: Action
  /** Units of the client's budget. */
  cost: number
}

/** What a frame that names topics needs: those that the token must allow. The compiler asks for them. */
interface TopicFrameRule<Frame> extends FrameRule {
  topics(frame: Frame): TopicFilter
}

type RuleOf<Frame> = Extract<keyof Frame, 'topic' | 'topics'> extends never ? FrameRule : TopicFrameRule<Frame>

function topicOf({ topic }: { topic: string }): TopicFilter {
  return exactly(topic)
}

const noTopics = exactly([])

export const frameRules: { [Frame in ClientFrame as Frame['type']]: RuleOf<Frame> } = {
  subscribe: { action: 'read', cost: 5, topics: subscriptionFilter },
  unsubscribe: { action: 'read', cost: 1 },
  ack: { action: 'consume', cost: 1 },
  publish: { action: 'publish', cost: 1, topics: topicOf },
  send: { action: 'direct', cost: 1 },
  request: { action: 'request', cost: 2 },
  serve: { action: 'serve', cost: 5 },
  unserve: { action: 'serve', cost: 1 },
  reply: { action: 'serve', cost: 1 },
  validate: { action: 'validate', cost: 5, topics: topicOf },
  // Ends what the connection itself registered.
  unvalidate: { action: 'validate', cost: 1, topics: () => noTopics },
  verdict: { action: 'validate', cost: 1 },
  auth: { action: 'none', cost: 10 },
  ping: { action: 'none', cost: 1 },
}

/** The rule of a frame, with the topics that this one names. */
export function ruleOf(frame: ClientFrame): FrameRule & { topics: TopicFilter } {
  const rule: FrameRule & Partial<TopicFrameRule<ClientFrame>> = frameRules[frame.type]
  return { ...rule, topics: rule.topics?.(frame) ?? noTopics }
}

/** Actions whose frames carry data. */
const dataActions: readonly TokenAction[] = ['publish', 'direct', 'request', 'serve']

/** Maximum bytes of a frame without data and topics. */
const plainFrameBytes = 16_384

/** Maximum bytes of a topic in JSON: 256 bytes, each escaped as up to six, plus quotes and separators. */
const topicBytes = 6 * 256 + 4

/** Maximum bytes of a frame from a client with this grant: only frames with data are large. */
export function maxFrameBytesOf(
  { actions }: Pick<Grant, 'actions'>,
  limits: Pick<Limits, 'maxFrameBytes' | 'maxSubscriptionTopics'>,
): number {
  if (dataActions.some((action) => actions.has(action))) return limits.maxFrameBytes
  return Math.min(limits.maxFrameBytes, plainFrameBytes + limits.maxSubscriptionTopics * topicBytes)
}
