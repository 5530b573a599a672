import { z } from 'zod'
import { actorSchema } from './actor.ts'
import { cursorSchema } from './cursor.ts'
import { messageSchema } from './message.ts'
import { nameSchema } from './text.ts'
import { topicPatternSchema } from './topic.ts'

/** Maximum topics and patterns of a consumer. */
const maxConsumerTopics = 100

export const consumerNameSchema = nameSchema(128)
  .refine((name) => name !== '' && name !== '.' && name !== '..', 'must not be empty, "." or ".."')
  .meta({ id: 'ConsumerName', description: 'The name of a consumer, in all gateways of the database.', minLength: 1, example: 'billing' })

export const consumerOrderSchema = z.enum(['none', 'author', 'strict']).meta({
  id: 'DeliveryOrder',
  description:
    '`none`: messages are handed out as fast as workers take them. `author`: a message only when all earlier ones of its author are ' +
    'acknowledged, dropped or parked. `strict`: one message at a time.',
})

/** How a consumer hands out messages. */
const handingOut = {
  ackWaitMs: z
    .int()
    .min(100)
    .max(86_400_000)
    .describe('How long a worker may take for a message, in milliseconds, before another one gets it. Default: 30,000.'),
  maxUnacked: z.int().min(1).max(10_000).describe('Maximum number of messages that workers have at a time, all together. Default: 1,000.'),
  maxDeliveries: z
    .int()
    .min(0)
    .max(1_000)
    .describe('Number of deliveries after which a message that is not acknowledged is parked; 0 for no limit. Default: 0.'),
  backoffMs: z
    .int()
    .min(0)
    .max(3_600_000)
    .describe(
      'Pause before a message is delivered again after `retry`, in milliseconds, doubled with each delivery up to an hour. Default: 1,000.',
    ),
}

/** What is used where a client says nothing. */
export const consumerDefaults = { ackWaitMs: 30_000, maxUnacked: 1_000, maxDeliveries: 0, backoffMs: 1_000 } as const

export const consumerChangeSchema = z
  .strictObject({
    ackWaitMs: handingOut.ackWaitMs.optional(),
    maxUnacked: handingOut.maxUnacked.optional(),
    maxDeliveries: handingOut.maxDeliveries.optional(),
    backoffMs: handingOut.backoffMs.optional(),
  })
  .meta({ id: 'ConsumerChange', description: 'Changes to a consumer. Omitted fields stay unchanged.' })

export const consumerTopicsSchema = z.array(topicPatternSchema).max(maxConsumerTopics)

export const consumerSchema = z
  .object({
    name: consumerNameSchema,
    topics: consumerTopicsSchema,
    direct: z.boolean().describe('Whether direct messages are included.'),
    order: consumerOrderSchema,
    ...handingOut,
    createdAt: z.iso.datetime(),
    createdBy: actorSchema,
    position: cursorSchema.describe('Everything up to here was handed out, waits to be handed out again, or is parked.'),
    gaps: z.int().describe('How often messages were gone before a worker had them: pruned, deleted, or damaged on disk.'),
    lastGap: z
      .object({ from: cursorSchema, to: cursorSchema })
      .optional()
      .meta({ id: 'ConsumerGap', description: 'The newest of these ranges: after `from`, up to `to`. Absent if there was none.' }),
  })
  .meta({ id: 'ConsumerInfo', description: 'A position in the log that workers share.' })
export type ConsumerView = z.infer<typeof consumerSchema>

const consumerTrafficSchema = z
  .object({
    delivered: z.int().min(0).describe('Messages that this gateway delivered, each as often as it did.'),
    settled: z.int().min(0).describe('Messages that were acknowledged or dropped at this gateway.'),
  })
  .meta({ id: 'ConsumerTraffic', description: 'Messages of the consumer since this gateway started. Their growth is the rate.' })

export const consumerStateSchema = z
  .object({
    ...consumerSchema.shape,
    unacked: z.int().describe('Messages that workers have.'),
    waiting: z.int().describe('Messages up to `position` that wait for a worker: for their turn, or to be delivered again.'),
    parked: z.int().describe('Messages that were delivered `maxDeliveries` times and are set aside.'),
    pending: z.int().describe('Messages after `position`.'),
    isPendingExact: z.boolean().describe('Whether all messages after `position` were counted. If not, `pending` is a lower bound.'),
    workers: z.int().describe('Connections and waiting requests at this gateway that take messages.'),
    traffic: consumerTrafficSchema,
  })
  .meta({ id: 'ConsumerState', description: 'A consumer, and what it has to do.' })

export type ConsumerStateView = z.infer<typeof consumerStateSchema>

export const ackVerdictSchema = z.enum(['ack', 'retry', 'progress', 'drop']).meta({
  id: 'AckVerdict',
  description:
    '`ack`: done. `retry`: deliver it again, after a pause. `progress`: not done yet; `ackWaitMs` begins anew. `drop`: never deliver it again.',
})
export type AckVerdict = z.infer<typeof ackVerdictSchema>

/** Maximum ids in one acknowledgement. */
export const maxAckedIds = 1_000

export const ackIdsSchema = z.array(nameSchema(256)).min(1).max(maxAckedIds).describe('Ids of messages.')

export const claimSchema = nameSchema(300).meta({
  id: 'Claim',
  description: 'Names one delivery of a message: each one has another. It is opaque.',
  example: '12D3KooWGzGLF4wTNEFzQKBiRkuH3Ve7hVwkNYcEYGCTS1pbkFUx.1795444444000000001~a8Xk2c9B',
})

/** How a worker names what it says something of. */
export const ackFields = {
  ids: ackIdsSchema
    .optional()
    .describe('Ids of messages, for `ack` and `drop`. Another worker may have them. Either `ids` or `claims` is given.'),
  claims: z
    .array(claimSchema)
    .min(1)
    .max(maxAckedIds)
    .optional()
    .describe(
      'Claims of deliveries. `retry` and `progress` need them, and change nothing for a delivery whose time is over and followed by another.',
    ),
}

/** The names of an answer. */
export const settledNamesSchema = z.array(z.string())

/** A delivery as clients name it. */
export function formatClaim({ id, claim }: { id: string; claim: string }): string {
  return `${id}~${claim}`
}

/** What is no claim names no delivery. */
export function parseClaim(text: string): { id: string; claim: string } {
  const at = text.lastIndexOf('~')
  return { id: text.slice(0, Math.max(0, at)), claim: text.slice(at + 1) }
}

export const retryDelaySchema = z
  .int()
  .min(0)
  .max(86_400_000)
  .describe('Pause before `retry`, in milliseconds. Default: `backoffMs` of the consumer, doubled with each delivery.')

/** A message as a consumer delivers it. */
export const handedOutSchema = z
  .object({
    message: messageSchema,
    attempt: z.int().describe('1 for the first delivery.'),
    claim: claimSchema,
  })
  .meta({ id: 'HandedOut', description: 'A message, delivered to one worker.' })
