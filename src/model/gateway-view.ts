import { z } from 'zod'
import { multiaddrSchema, peerIdSchema } from './peer.ts'

/** A gateway of this database, as returned by `GET /v1/nodes`. */
export const gatewaySchema = z
  .object({
    peerId: peerIdSchema,
    engine: z.string().describe('Engine of the node: `custom`, `libp2p`, or `both` for a bridge.').meta({ example: 'custom' }),
    version: z.string().describe('Version of Peergate.').meta({ example: '0.1.0' }),
    multiaddrs: z.array(multiaddrSchema).describe('Addresses at which the node can be dialled.'),
    state: z
      .string()
      .describe('State of the gateway: `ready`; `stopped` after a shutdown; `gone` after 15 seconds without a sign of life.')
      .meta({ example: 'ready' }),
    startedAt: z.iso.datetime(),
    lastSeen: z.iso.datetime(),
  })
  .meta({ id: 'Gateway', description: 'A gateway of the same database.' })
export type GatewayView = z.infer<typeof gatewaySchema>
