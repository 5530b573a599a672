import { z } from 'zod'
import { peerIdSchema } from './peer.ts'

export const deliveryStateSchema = z.enum(['queued', 'delivered', 'expired', 'refused', 'cancelled']).meta({
  id: 'DeliveryStateFilter',
  description:
    '`queued`: delivery is being attempted. `delivered`: the recipient has stored the message. `expired`: time ran out. `refused`: the recipient does not accept it. `cancelled`: no further attempts; the message may still have arrived.',
  example: 'queued',
})

/** Time for delivery attempts. */
export const expirySchema = z
  .int()
  .min(1)
  .describe('Time for delivery attempts, in milliseconds. Default: `deliveryMs`, a week. Maximum: `maxDeliveryMs`.')

/** The delivery of a direct message, as clients see it. */
export const deliverySchema = z
  .object({
    id: z.string().meta({ example: '5n3k9q2x7v1b4f0e2d1c' }),
    messageId: z.string().describe('`<from>.<sequence>`: the id of the message at the recipient.'),
    to: peerIdSchema,
    state: deliveryStateSchema,
    attempts: z.int().describe('Number of failed attempts.'),
    lastError: z.string().nullable().describe('Reason why the last attempt failed, or why the recipient refused the message.'),
    expiresAt: z.iso.datetime(),
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
  })
  .meta({ id: 'Delivery', description: 'The delivery of a direct message.' })
export type DeliveryView = z.infer<typeof deliverySchema>
export type DeliveryState = z.infer<typeof deliveryStateSchema>
