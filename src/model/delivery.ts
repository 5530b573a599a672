import { z } from 'zod'
import { peerIdSchema } from './peer.ts'

export const deliveryStateSchema = z.enum(['queued', 'delivered', 'expired', 'refused', 'cancelled']).meta({
  id: 'DeliveryState',
  description:
    '`delivered`: the recipient has it on its disk. `refused`: it does not take it. `cancelled`: nobody tries any more; it may have arrived all the same.',
  example: 'queued',
})

/** How long to try. */
export const expirySchema = z.int().min(1).describe('How long to try to deliver it, in milliseconds; a week when it is not said.')

/** A direct message on its way, as clients see it. */
export const deliverySchema = z
  .object({
    id: z.string().meta({ example: '5n3k9q2x7v1b4f0e2d1c' }),
    messageId: z.string().describe('`<from>.<sequence>`: what the recipient knows it by.'),
    to: peerIdSchema,
    state: deliveryStateSchema,
    attempts: z.int().describe('Failed ones.'),
    lastError: z.string().nullable().describe('Why the last attempt failed, or why it was refused.'),
    expiresAt: z.iso.datetime(),
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
  })
  .meta({ id: 'Delivery', description: 'What becomes of a direct message.' })
export type DeliveryView = z.infer<typeof deliverySchema>
export type DeliveryState = z.infer<typeof deliveryStateSchema>
