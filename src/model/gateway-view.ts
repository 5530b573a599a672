import { z } from 'zod'
import { multiaddrSchema, peerIdSchema } from './peer.ts'

/** A gateway of this database, as `GET /v1/nodes` shows it. */
export const gatewaySchema = z
  .object({
    peerId: peerIdSchema,
    engine: z.string().describe('Which engine its node is: `custom` or `libp2p`.').meta({ example: 'custom' }),
    version: z.string().describe('Version of Peergate.').meta({ example: '0.1.0' }),
    multiaddrs: z.array(multiaddrSchema).describe('Where its node can be dialled.'),
    state: z
      .string()
      .describe('`ready`; `stopped` when it has said so; `gone` when it has not been heard of for 15 seconds.')
      .meta({ example: 'ready' }),
    startedAt: z.iso.datetime(),
    lastSeen: z.iso.datetime(),
  })
  .meta({ id: 'Gateway', description: 'A gateway of the same database.' })
export type GatewayView = z.infer<typeof gatewaySchema>
