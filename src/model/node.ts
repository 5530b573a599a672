import { z } from 'zod'
import { cursorSchema } from './cursor.ts'
import { multiaddrSchema, peerIdSchema } from './peer.ts'

const reachabilitySchema = z
  .object({
    state: z
      .string()
      .describe(
        'Reachability of the node: `direct` (a peer dialled it back), `hidden` (dial-backs failed, or the node does not listen), `unknown`.',
      )
      .meta({ example: 'direct' }),
    confirmed: z
      .array(
        z
          .object({
            multiaddr: z.string().describe('Address of the node, without its peer id.').meta({ example: '/ip4/192.0.2.1/tcp/7071' }),
            peers: z.int().min(1).describe('Number of peers that reached it.'),
          })
          .meta({ id: 'ConfirmedAddress', description: 'An address at which peers have reached the node.' }),
      )
      .describe('Addresses that peers have dialled back in the last ten minutes.'),
    observed: z.array(z.string()).describe('IP addresses at which peers see the node.'),
    relays: z.array(peerIdSchema).describe('Relays through which the node can be reached.'),
  })
  .meta({ id: 'Reachability', description: 'Reachability of the node for other peers.' })

/** This gateway, as returned by `GET /v1/node`. */
export const nodeSchema = z
  .object({
    peerId: peerIdSchema,
    engine: z
      .string()
      .describe('Engine of the node: `custom`, `libp2p`, or `both` for a bridge between the two networks.')
      .meta({ example: 'libp2p' }),
    version: z.string().describe('Version of Peergate.').meta({ example: '0.1.0' }),
    multiaddrs: z.array(multiaddrSchema).describe('Addresses at which other peers can dial the node.'),
    reachability: reachabilitySchema,
    networks: z
      .array(
        z
          .object({
            engine: z.string().describe('Engine of the network: `custom` or `libp2p`.').meta({ example: 'libp2p' }),
            multiaddrs: z.array(multiaddrSchema).describe('Addresses at which peers of this network can dial the node.'),
            reachability: reachabilitySchema,
            peers: z.int().min(0).describe('Number of connected peers of this network.'),
          })
          .meta({ id: 'NodeNetwork', description: 'A network that the node is part of.' }),
      )
      .describe('The networks that the node is part of: one, or both of a bridge.'),
    identityConflicts: z
      .array(
        z
          .object({
            peerId: peerIdSchema,
            multiaddrs: z.array(multiaddrSchema).describe('Addresses at which nodes with this peer id were last seen, if known.'),
            toldBy: peerIdSchema
              .nullable()
              .describe(
                'The peer that reports the conflict of this gateway’s own id, because it is linked to another node with it. Null if seen by this gateway.',
              ),
            lastSeen: z.iso.datetime(),
          })
          .meta({ id: 'IdentityConflict', description: 'A peer id that two running nodes use.' }),
      )
      .describe(
        "Peer ids used by two running nodes, the latest last: a key file was copied. This gateway's own id may be among them. With `libp2p` only its own id is detected.",
      ),
    capabilities: z
      .object({
        transports: z
          .array(z.string())
          .describe(
            'Transports that the node dials and listens on, by their multiaddr protocol: `tcp`, `ws`, `wss`, `quic-v1`, `p2p-circuit`, `webrtc`.',
          ),
        encodings: z.array(z.string()).describe('Encodings of data that clients can send and ask for.'),
        subprotocols: z.array(z.string()).describe('Subprotocols of the stream.'),
        dhtNamespaces: z
          .array(z.string())
          .describe('Namespaces of the keys that the DHT stores. Without the DHT (`PEERGATE_DHT=false`) there are none.'),
        mdns: z.boolean().describe('Whether the node finds peers on the local network by mDNS.'),
        relay: z.boolean().describe('Whether the node relays circuits for other peers.'),
        privateNetwork: z.boolean().describe('Whether only nodes with the same private network key can connect.'),
        catchUp: z.boolean().describe('Whether missed messages are fetched from peers, and the log is served to them.'),
        streamCompression: z.boolean().describe('Whether streams negotiate `permessage-deflate`.'),
        identityProvider: z.boolean().describe('Whether JSON Web Tokens of an identity provider are accepted.'),
      })
      .meta({
        id: 'Capabilities',
        description:
          'What this gateway can do with its engine and configuration. Clients choose their calls by it, not by `engine` or `version`. Unlisted means no.',
      }),
    startedAt: z.iso.datetime(),
    uptimeMs: z.int().min(0),
    counts: z
      .object({
        peers: z.int().min(0).describe('Number of connected peers.'),
        topics: z.int().min(0).describe('Number of joined topics.'),
        streams: z.int().min(0).describe('Number of connected clients of `GET /v1/stream`.'),
      })
      .meta({ id: 'Counts' }),
    log: z
      .object({
        epoch: z.string().describe('Epoch of the log, the first part of its cursors.').meta({ example: 'k3v9q2' }),
        earliest: cursorSchema.describe('The position before the oldest stored message.'),
        latest: cursorSchema.describe('The position of the newest stored message (the tip of the log).'),
      })
      .meta({ id: 'LogRange', description: 'The log of messages.' }),
    limits: z
      .record(z.string(), z.int())
      .describe(
        'The limits in force, by name; the unit is part of the name. `maxMessageBytes` is the maximum size of published data: with `libp2p` at most `maxRpcBytes` minus 512.',
      ),
  })
  .meta({ id: 'Node' })
export type NodeView = z.infer<typeof nodeSchema>
