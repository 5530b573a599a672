import { z } from 'zod'
import type { PeergateError } from '../errors.ts'
import type { Action, TokenAction } from '../model/action.ts'
import { cursorSchema, positionSchema } from '../model/cursor.ts'
import { deliverySchema, expirySchema } from '../model/delivery.ts'
import { gapFields } from '../model/gap.ts'
import type { Grant } from '../model/grant.ts'
import { idempotencyKeySchema } from '../model/idempotency-key.ts'
import { candidateSchema, messageSchema } from '../model/message.ts'
import { dataSchema, encodingSchema, payloadSchema } from '../model/payload.ts'
import { peerIdSchema, peerSchema } from '../model/peer.ts'
import { serviceSchema } from '../model/service.ts'
import { nameSchema } from '../model/text.ts'
import { topicPatternSchema, topicSchema } from '../model/topic.ts'
import { maxDeadlineMs } from '../model/validator.ts'
import { verdictSchema } from '../model/verdict.ts'

/** The frames of `GET /v1/stream` as JSON: what a client may send, and what it is sent. */

const frameIdSchema = z
  .union([nameSchema(128), z.int()])
  .describe('Chosen by the client; its answer carries the same. Pushes never carry one.')

const subscriptionNameSchema = nameSchema(128).describe('Name of the subscription; the one without a name is the unnamed one.')

/** Topics of a subscription at most, whatever is configured (`maxSubscriptionTopics`). */
export const maxTopicsOfSubscription = 1_000

const subscribeSchema = z.strictObject({
  type: z.literal('subscribe'),
  id: frameIdSchema.optional(),
  subscription: subscriptionNameSchema.optional(),
  topics: z.array(topicPatternSchema).max(maxTopicsOfSubscription).optional(),
  direct: z.boolean().optional().describe('Also direct messages; the token must allow `direct`.'),
  peers: z.boolean().optional().describe('Also push what happens to peers.'),
  deliveries: z.boolean().optional().describe('Also push what becomes of direct messages that were sent; the token must allow `direct`.'),
  after: positionSchema.optional(),
  encoding: encodingSchema.optional(),
})

const unsubscribeSchema = z.strictObject({
  type: z.literal('unsubscribe'),
  id: frameIdSchema.optional(),
  subscription: subscriptionNameSchema.optional(),
})

/** Data in CBOR. */
const bytesSchema = z.instanceof(Uint8Array).meta({ type: 'string', contentEncoding: 'binary', description: 'A byte string, in CBOR.' })

const publishSchema = z.strictObject({
  type: z.literal('publish'),
  id: frameIdSchema.optional(),
  topic: topicSchema,
  data: z.union([dataSchema, bytesSchema]),
  encoding: encodingSchema.optional(),
  idempotencyKey: idempotencyKeySchema.optional(),
})

const sendSchema = z.strictObject({
  type: z.literal('send'),
  id: frameIdSchema.optional(),
  to: peerIdSchema,
  data: z.union([dataSchema, bytesSchema]),
  encoding: encodingSchema.optional(),
  expiresInMs: expirySchema.optional(),
  idempotencyKey: idempotencyKeySchema.optional(),
})

const payload = { data: z.union([dataSchema, bytesSchema]), encoding: encodingSchema.optional() }

const requestSchema = z.strictObject({
  type: z.literal('request'),
  id: frameIdSchema.optional(),
  to: peerIdSchema,
  service: serviceSchema,
  ...payload,
  timeoutMs: z.int().min(1).optional(),
})

/** Requests that a server works on at once, at most. */
const maxConcurrency = 1_000

const serveSchema = z.strictObject({
  type: z.literal('serve'),
  id: frameIdSchema.optional(),
  service: serviceSchema,
  concurrency: z.int().min(1).max(maxConcurrency).optional().describe('Requests at a time; 1 when it is not said.'),
})

const unserveSchema = z.strictObject({ type: z.literal('unserve'), id: frameIdSchema.optional(), service: serviceSchema })

/** Characters of a service's own words for an error. */
const maxErrorLength = 1_000

const replySchema = z.strictObject({
  type: z.literal('reply'),
  id: frameIdSchema.optional(),
  requestId: nameSchema(64),
  data: payload.data.optional(),
  encoding: payload.encoding,
  error: z.string().min(1).max(maxErrorLength).optional().describe('Instead of data: why there is no answer, for who asked.'),
})

const validateSchema = z.strictObject({
  type: z.literal('validate'),
  id: frameIdSchema.optional(),
  topic: topicSchema.refine((topic) => !topic.endsWith('*'), 'must be one topic: patterns are not validated'),
  deadlineMs: z.int().min(1).max(maxDeadlineMs).optional().describe('How long a verdict may take; 1,000 when it is not said.'),
  default: verdictSchema.optional().describe('What a verdict is that does not come in time; `ignore` when it is not said.'),
})

const unvalidateSchema = z.strictObject({ type: z.literal('unvalidate'), id: frameIdSchema.optional(), topic: topicSchema })

const verdictFrameSchema = z.strictObject({
  type: z.literal('verdict'),
  id: frameIdSchema.optional(),
  validationId: nameSchema(64),
  verdict: verdictSchema,
})

/** Characters of a token, at most: far more than any has. */
const maxTokenLength = 8_192

const authSchema = z.strictObject({
  type: z.literal('auth'),
  id: frameIdSchema.optional(),
  token: z.string().min(1).max(maxTokenLength).describe('The token that the connection goes on with.'),
})

const pingSchema = z.strictObject({ type: z.literal('ping'), id: frameIdSchema.optional() })

export const clientFrameSchema = z.discriminatedUnion('type', [
  subscribeSchema,
  unsubscribeSchema,
  publishSchema,
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

/** The action (API §6) that each client frame needs. */
export const frameActions: Record<ClientFrame['type'], Action> = {
  subscribe: 'read',
  unsubscribe: 'read',
  publish: 'publish',
  send: 'direct',
  request: 'request',
  serve: 'serve',
  unserve: 'serve',
  reply: 'serve',
  validate: 'validate',
  unvalidate: 'validate',
  verdict: 'validate',
  auth: 'none',
  ping: 'none',
}

/** Actions whose frames carry data. */
const dataActions: readonly TokenAction[] = ['publish', 'direct', 'request', 'serve']
/** Bytes of a frame without data, beside the topics of a subscription. */
const plainFrameBytes = 16_384
/** A topic of the longest kind in JSON: 256 bytes, each of which may be escaped as six. */
const topicBytes = 6 * 256 + 4

/** Bytes of the largest frame that makes sense from a client which may do this: only data is large. */
export function maxFrameBytesOf(
  { actions }: Pick<Grant, 'actions'>,
  limits: { maxFrameBytes: number; maxSubscriptionTopics: number },
): number {
  if (dataActions.some((action) => actions.has(action))) return limits.maxFrameBytes
  return Math.min(limits.maxFrameBytes, plainFrameBytes + limits.maxSubscriptionTopics * topicBytes)
}

/** Units of the client's budget that each client frame costs. */
export const frameCosts: Record<ClientFrame['type'], number> = {
  subscribe: 5,
  unsubscribe: 1,
  publish: 1,
  send: 1,
  request: 2,
  serve: 5,
  unserve: 1,
  reply: 1,
  validate: 5,
  unvalidate: 1,
  verdict: 1,
  auth: 10,
  ping: 1,
}

const peerEventSchema = z
  .enum(['connect', 'update', 'disconnect'])
  .meta({ id: 'PeerEvent', description: 'What happened: a first link, something new about the peer, no link any more.' })

const answer = { id: frameIdSchema.optional() }
const named = { subscription: subscriptionNameSchema.optional() }

export const serverFrameSchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('welcome'),
    peerId: peerIdSchema,
    engine: z.string(),
    cursor: cursorSchema,
    heartbeatMs: z.int(),
    tokenExpiresAt: z.iso.datetime().optional().describe('When the connection is closed with 4100, unless the token is renewed.'),
    limits: z.record(z.string(), z.int()),
  }),
  z.object({ type: z.literal('subscribed'), ...answer, ...named, cursor: cursorSchema }),
  z.object({ type: z.literal('unsubscribed'), ...answer, ...named }),
  z.object({ type: z.literal('message'), ...named, message: messageSchema }),
  z.object({ type: z.literal('caught-up'), ...named, cursor: cursorSchema }),
  z
    .object({
      type: z.literal('gap'),
      ...named,
      ...gapFields,
    })
    .describe(
      'Messages of the topic (direct ones with `direct`; of any, where none is named) after `from` and up to `to` were pruned before they were read here, or are damaged (`reason`). Go on after `to`.',
    ),
  z.object({ type: z.literal('progress'), ...named, cursor: cursorSchema }),
  z.object({
    type: z.literal('published'),
    ...answer,
    messageId: z.string(),
    cursor: cursorSchema,
    recipients: z.int(),
    gateway: peerIdSchema.describe('The gateway that accepted it, and whose peers `recipients` counts.'),
    replayed: z.literal(true).optional(),
  }),
  z.object({ type: z.literal('response'), ...answer, ...payloadSchema.shape }),
  z.object({ type: z.literal('serving'), ...answer, service: serviceSchema }),
  z.object({ type: z.literal('unserved'), ...answer, service: serviceSchema }),
  z.object({ type: z.literal('replied'), ...answer, requestId: z.string() }),
  z.object({
    type: z.literal('request'),
    requestId: z.string(),
    from: peerIdSchema.describe('Who asks: a peer, or this gateway for one of its clients.'),
    service: serviceSchema,
    ...payloadSchema.shape,
    deadline: z.iso.datetime().describe('Then nobody waits for the answer any more.'),
  }),
  z.object({ type: z.literal('cancelled'), requestId: z.string() }).describe('Nobody waits for the answer to this request any more.'),
  z.object({
    type: z.literal('validating'),
    ...answer,
    topic: topicSchema,
    deadlineMs: z.int(),
    default: verdictSchema,
  }),
  z.object({ type: z.literal('unvalidated'), ...answer, topic: topicSchema }),
  z.object({ type: z.literal('judged'), ...answer, validationId: z.string() }),
  z
    .object({
      type: z.literal('validation'),
      validationId: z.string(),
      message: candidateSchema,
      deadline: z.iso.datetime().describe('Then the verdict is the one that was named for this case.'),
    })
    .describe('A message of a topic that this connection judges: it waits for the verdict.'),
  z.object({ type: z.literal('queued'), ...answer, delivery: deliverySchema, replayed: z.literal(true).optional() }),
  z.object({
    type: z.literal('authenticated'),
    ...answer,
    expiresAt: z.iso.datetime().nullable().describe('When the token expires; null when it never does.'),
  }),
  z.object({ type: z.literal('pong'), ...answer }),
  z.object({ type: z.literal('peer'), ...named, event: peerEventSchema, peer: peerSchema }),
  z
    .object({ type: z.literal('delivery'), ...named, delivery: deliverySchema })
    .describe('What became of a direct message; a notice, which does not come again. GET /v1/deliveries tells it at any time.'),
  z.object({
    type: z.literal('error'),
    ...answer,
    ...named,
    code: z.string(),
    title: z.string(),
    detail: z.string(),
    retryable: z.boolean(),
    retryAfterMs: z.int().optional(),
    errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
    earliest: cursorSchema.optional(),
    latest: cursorSchema.optional(),
    epoch: z.string().optional(),
  }),
  z.object({ type: z.literal('closing'), reason: z.string(), retryAfterMs: z.int() }),
])
export type ServerFrame = z.infer<typeof serverFrameSchema>

/** The id of an answer, where the frame had one. */
export function answering(id: FrameId | undefined): { id?: FrameId } {
  return id === undefined ? {} : { id }
}

/** When the grant's token expires. */
export function expiry({ expiresAt }: Grant): { expiresAt: string | null } {
  return { expiresAt: expiresAt === undefined ? null : new Date(expiresAt).toISOString() }
}

/** The name of a subscription, where it has one. */
export function naming(subscription: string | undefined): { subscription?: string } {
  return subscription === undefined ? {} : { subscription }
}

export function errorFrame(error: PeergateError, id: FrameId | undefined, subscription: string | undefined): ServerFrame {
  return {
    type: 'error',
    ...answering(id),
    ...naming(subscription),
    code: error.code,
    title: error.title,
    detail: error.message,
    retryable: error.retryable,
    ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
    ...(error.errors === undefined ? {} : { errors: error.errors }),
    ...error.extensions,
  }
}
