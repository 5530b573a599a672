import { z } from 'zod'
import { cursorSchema } from './cursor.ts'
import { peerIdSchema } from './peer.ts'
import { retentionSchema } from './retention.ts'
import { topicSchema } from './topic.ts'

export const topicTrafficSchema = z
  .object({
    stored: z.int().min(0).describe('Messages that came into the log.'),
    delivered: z.int().min(0).describe('Messages that were sent to followers of this gateway, each as often as it was sent.'),
    sent: z.int().min(0).describe('Messages of this gateway that were handed to peers, each as often as it was handed.'),
  })
  .meta({
    id: 'TopicTraffic',
    description:
      'Messages in and out since this gateway started. The counts of a topic begin anew when 10,000 other topics were counted after it.',
  })
export type TopicTraffic = z.infer<typeof topicTrafficSchema>

/** A topic as clients see it: its stored messages and its subscribers. */
export const topicStatsSchema = z
  .object({
    topic: topicSchema,
    joined: z.boolean().describe('Whether this gateway receives the messages of the topic.'),
    messages: z.int().min(0).describe('Number of stored messages.'),
    bytes: z.int().min(0).describe('Bytes of data of the stored messages.'),
    earliest: cursorSchema.nullable().describe('The position before the oldest stored message; null for an empty topic.'),
    latest: cursorSchema.nullable().describe('The position of the newest stored message; null for an empty topic.'),
    retention: retentionSchema,
    traffic: topicTrafficSchema,
    subscribers: z.int().min(0).describe('Number of connected peers known to have joined the topic.'),
    networks: z
      .array(
        z
          .object({
            engine: z.string().describe('Engine of the network: `custom` or `libp2p`.').meta({ example: 'libp2p' }),
            subscribers: z.int().min(0).describe('Number of connected peers of this network known to have joined the topic.'),
            bridged: z.boolean().describe('Whether this gateway, a bridge, is subscribed here for the subscribers of the other network.'),
          })
          .meta({ id: 'TopicNetwork', description: 'A topic in a network that this gateway is part of.' }),
      )
      .describe('The topic in each network: one, or both of a bridge.'),
    gateway: peerIdSchema.describe('The gateway that responds, and whose peers and networks are shown.'),
  })
  .meta({ id: 'TopicStats' })
export type TopicStats = z.infer<typeof topicStatsSchema>
