import { z } from 'zod'
import type { PeergateError } from '../errors.ts'
import { claimSchema, consumerNameSchema, settledNamesSchema } from '../model/consumer.ts'
import { cursorSchema } from '../model/cursor.ts'
import { deliverySchema } from '../model/delivery.ts'
import { errorDetailSchema } from '../model/error-detail.ts'
import { gapFields } from '../model/gap.ts'
import type { Grant } from '../model/grant.ts'
import { candidateSchema, messageSchema } from '../model/message.ts'
import { payloadSchema } from '../model/payload.ts'
import { peerIdSchema, peerSchema } from '../model/peer.ts'
import { serviceSchema } from '../model/service.ts'
import { topicSchema } from '../model/topic.ts'
import { verdictSchema } from '../model/verdict.ts'
import { type FrameId, frameIdSchema, subscriptionNameSchema } from './client-frames.ts'

const peerEventSchema = z.enum(['connect', 'update', 'disconnect']).meta({
  id: 'PeerEvent',
  description: 'Change of a peer: `connect` for its first link, `update` for new information, `disconnect` for the end of its last link.',
})

const answer = { id: frameIdSchema.optional() }
const named = { subscription: subscriptionNameSchema.optional() }

export const serverFrameSchema = z.discriminatedUnion('type', [
  z
    .object({
      type: z.literal('welcome'),
      peerId: peerIdSchema,
      engine: z.string(),
      cursor: cursorSchema,
      heartbeatMs: z.int(),
      tokenExpiresAt: z.iso
        .datetime()
        .optional()
        .describe('Time at which the connection is closed with 4100, unless the client sends a new token.'),
      limits: z.record(z.string(), z.int()),
    })
    .describe('The first frame of a connection: the gateway, the newest cursor, and the limits in force.'),
  z
    .object({
      type: z.literal('subscribed'),
      ...answer,
      ...named,
      consumer: consumerNameSchema.optional(),
      cursor: cursorSchema,
      topics: z.array(topicSchema).optional().describe('The joined topics that the patterns match now, by name; only with a pattern.'),
      more: z.literal(true).optional().describe('There are more such topics than `maxToldTopics`; the others are left out.'),
    })
    .describe('Answers `subscribe`. `cursor` is the position at which the subscription begins.'),
  z.object({ type: z.literal('unsubscribed'), ...answer, ...named }).describe('Answers `unsubscribe`.'),
  z
    .object({
      type: z.literal('message'),
      ...named,
      consumer: consumerNameSchema.optional().describe('The consumer that has delivered it.'),
      attempt: z.int().optional().describe('With a consumer: 1 for the first delivery.'),
      claim: claimSchema.optional().describe('With a consumer: names this delivery.'),
      message: messageSchema,
    })
    .describe('A message of a subscription. One of a consumer is to be acknowledged.'),
  z
    .object({
      type: z.literal('acked'),
      ...answer,
      consumer: consumerNameSchema,
      settled: settledNamesSchema.describe('Those of `ids` or `claims` that this settled. It is durable.'),
    })
    .describe('Answers `ack`.'),
  z
    .object({ type: z.literal('caught-up'), ...named, cursor: cursorSchema })
    .describe('Marks the point where all messages stored when the subscription began have been sent. Sent once.'),
  z
    .object({
      type: z.literal('gap'),
      ...named,
      ...gapFields,
    })
    .describe(
      'Reports missing messages after `from` and up to `to`: of the topic, of direct messages with `direct`, or of any without both. `reason` tells why. Resume after `to`.',
    ),
  z
    .object({ type: z.literal('progress'), ...named, cursor: cursorSchema })
    .describe('Tells a quiet subscription, with the heartbeat, a cursor from which it can resume without missing a message.'),
  z
    .object({
      type: z.literal('published'),
      ...answer,
      messageId: z.string(),
      cursor: cursorSchema,
      recipients: z.int(),
      gateway: peerIdSchema.describe('The gateway that accepted the message, and whose peers `recipients` counts.'),
      replayed: z.literal(true).optional(),
    })
    .describe('Answers `publish`: the message is durably stored.'),
  z
    .object({ type: z.literal('response'), ...answer, ...payloadSchema.shape })
    .describe('Answers `request` with the response of the service.'),
  z.object({ type: z.literal('serving'), ...answer, service: serviceSchema }).describe('Answers `serve`.'),
  z.object({ type: z.literal('unserved'), ...answer, service: serviceSchema }).describe('Answers `unserve`.'),
  z.object({ type: z.literal('replied'), ...answer, requestId: z.string() }).describe('Answers `reply`.'),
  z
    .object({
      type: z.literal('request'),
      requestId: z.string(),
      from: peerIdSchema.describe('Requester: a peer, or this gateway for one of its clients.'),
      service: serviceSchema,
      ...payloadSchema.shape,
      deadline: z.iso.datetime().describe('Time after which the requester no longer waits for the answer.'),
    })
    .describe('A request to a service of this connection. The client answers with `reply`.'),
  z
    .object({ type: z.literal('cancelled'), requestId: z.string() })
    .describe('Reports that the requester no longer waits for the answer to this request.'),
  z
    .object({
      type: z.literal('validating'),
      ...answer,
      topic: topicSchema,
      deadlineMs: z.int(),
      default: verdictSchema,
    })
    .describe('Answers `validate`, with the settings in force.'),
  z.object({ type: z.literal('unvalidated'), ...answer, topic: topicSchema }).describe('Answers `unvalidate`.'),
  z.object({ type: z.literal('judged'), ...answer, validationId: z.string() }).describe('Answers `verdict`.'),
  z
    .object({
      type: z.literal('validation'),
      validationId: z.string(),
      message: candidateSchema,
      deadline: z.iso.datetime().describe('Time after which the default verdict of the validator applies.'),
    })
    .describe('Asks for a verdict on a message of a topic that this connection validates. The message waits for it.'),
  z
    .object({ type: z.literal('queued'), ...answer, delivery: deliverySchema, replayed: z.literal(true).optional() })
    .describe('Answers `send`: the direct message is durably stored and queued.'),
  z
    .object({
      type: z.literal('authenticated'),
      ...answer,
      expiresAt: z.iso.datetime().nullable().describe('Time at which the token expires; null for never.'),
    })
    .describe('Answers `auth`.'),
  z.object({ type: z.literal('pong'), ...answer }).describe('Answers `ping`.'),
  z.object({ type: z.literal('peer'), ...named, event: peerEventSchema, peer: peerSchema }).describe('Reports a change of a peer, once.'),
  z
    .object({ type: z.literal('delivery'), ...named, delivery: deliverySchema })
    .describe('Reports a change of a delivery, once. GET /v1/deliveries returns the state at any time.'),
  z
    .object({
      type: z.literal('error'),
      ...answer,
      ...named,
      code: z.string(),
      title: z.string(),
      detail: z.string(),
      retryable: z.boolean(),
      retryAfterMs: z.int().optional(),
      errors: z.array(errorDetailSchema).optional(),
      earliest: cursorSchema.optional(),
      latest: cursorSchema.optional(),
      epoch: z.string().optional(),
      budget: z.string().optional(),
    })
    .describe('Answers a refused frame, or reports a failure.'),
  z
    .object({ type: z.literal('closing'), reason: z.string(), retryAfterMs: z.int() })
    .describe('Announces that the gateway will close the connection. Reconnect after `retryAfterMs`.'),
])
export type ServerFrame = z.infer<typeof serverFrameSchema>

/** The id field of an answer, if the client frame had an id. */
export function answering(id: FrameId | undefined): { id?: FrameId } {
  return id === undefined ? {} : { id }
}

/** The expiry field of a grant's token. */
export function expiry({ expiresAt }: Grant): { expiresAt: string | null } {
  return { expiresAt: expiresAt === undefined ? null : new Date(expiresAt).toISOString() }
}

/** The name field of a subscription, if it has a name. */
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
