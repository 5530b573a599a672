import { z } from 'zod'
import { cursorSchema } from './cursor.ts'
import { multiaddrSchema, peerIdSchema } from './peer.ts'

/** This gateway, as `GET /v1/node` shows it. */
export const nodeSchema = z
  .object({
    peerId: peerIdSchema,
    engine: z.string().describe('Which engine the node is: `custom` or `libp2p`.').meta({ example: 'libp2p' }),
    version: z.string().describe('Version of Peergate.').meta({ example: '0.1.0' }),
    multiaddrs: z.array(multiaddrSchema).describe('Where other peers can dial this one.'),
    reachability: z
      .object({
        state: z
          .string()
          .describe(
            'How others come to this gateway: `direct` (a peer has dialled it back), `hidden` (those that tried could not, or nothing is listened on), `unknown`.',
          )
          .meta({ example: 'direct' }),
        observed: z.array(z.string()).describe('IP addresses that peers see it at.'),
        relays: z.array(peerIdSchema).describe('Relays that lead to it.'),
      })
      .describe('How other peers reach this one.'),
    identityConflicts: z
      .array(
        z.object({
          peerId: peerIdSchema,
          multiaddrs: z.array(multiaddrSchema).describe('Where nodes with it were seen, as far as it is known.'),
          toldBy: peerIdSchema
            .nullable()
            .describe(
              'The peer that says so of this gateway itself: it has a link with another node under the same peer id. Null when seen here.',
            ),
          lastSeen: z.iso.datetime(),
        }),
      )
      .describe(
        "Peer ids that two running nodes answer with, the latest last: somebody has copied a key file. This gateway's own may be among them. With `libp2p` only its own is noticed.",
      ),
    startedAt: z.iso.datetime(),
    uptimeMs: z.int().min(0),
    counts: z.object({
      peers: z.int().min(0).describe('Connected peers.'),
      topics: z.int().min(0).describe('Joined topics.'),
      streams: z.int().min(0).describe('Connected clients of `GET /v1/stream`.'),
    }),
    log: z
      .object({
        epoch: z.string().describe('Names the log that cursors belong to.').meta({ example: 'k3v9q2' }),
        earliest: cursorSchema.describe('The position before the oldest stored message.'),
        latest: cursorSchema.describe('The position of the newest stored message: the tip of the log.'),
      })
      .describe('The log of messages.'),
    limits: z
      .record(z.string(), z.int())
      .describe(
        'The limits in force, by name; the unit is in the name. `maxMessageBytes` is the largest data that can be published: with `libp2p` 512 less than `maxRpcBytes` at most.',
      ),
  })
  .meta({ id: 'Node' })
export type NodeView = z.infer<typeof nodeSchema>
