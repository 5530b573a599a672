import { z } from 'zod'
import { cursorSchema, formatCursor, type Seq } from './cursor.ts'
import { type Encoding, encodePayload, encodingSchema } from './payload.ts'
import { peerIdSchema } from './peer.ts'
import { type SignedMessage, sequenceNumber } from './signed-message.ts'
import { directTopic, topicSchema } from './topic.ts'

export const messageKindSchema = z.enum(['topic', 'direct']).meta({
  id: 'MessageKind',
  description: 'Published to a topic, or sent to one peer.',
  example: 'topic',
})
export type MessageKind = z.infer<typeof messageKindSchema>

/** A message on its way into the log. The topic of a direct one is `directTopic`, and its signature another (direct-message.ts). */
export interface NewMessage extends SignedMessage {
  /** Peer id of the recipient of a direct message. */
  to?: string
  /** `<from>.<sequence>`, unique in the log. */
  id: string
  /** When the gateway received it or accepted it from its client: milliseconds since 1970, by the log's clock. */
  receivedAt: number
  /** When the first gateway on its way here received it, if that was another one: messages that peers have kept carry their age. Age time. */
  firstSeenAt?: number
  /** The same as `receivedAt` in age time (src/clock), by which it ages; `receivedAt` itself where it is not said. */
  storedAt?: number
}

/** A message in the log. */
export interface StoredMessage extends NewMessage {
  seq: Seq
  /** At least that of the message before it in the log. */
  receivedAt: number
  storedAt: number
}

export function kindOf({ topic }: Pick<NewMessage, 'topic'>): MessageKind {
  return topic === directTopic ? 'direct' : 'topic'
}

/** A message as clients see it: the same in REST and on the stream. */
export const messageSchema = z
  .object({
    cursor: cursorSchema,
    id: z
      .string()
      .max(256)
      .describe('`<from>.<sequence>`')
      .meta({ example: '12D3KooWGzBVWSyX2WwYPxNSUAtV5E7aVvZLgzPZKbLsdFQhcZYz.1795444444000000001' }),
    kind: messageKindSchema,
    topic: topicSchema.optional().describe('Of a message that was published.'),
    to: peerIdSchema.optional().describe('Recipient of a direct message.'),
    from: peerIdSchema.describe('Peer id of the gateway or peer that signed the message.'),
    sequence: z.string().describe("The author's sequence number, in decimal.").meta({ example: '1795444444000000001' }),
    data: z.string(),
    encoding: encodingSchema,
    receivedAt: z.iso.datetime(),
    signature: z
      .string()
      .describe(
        'base64; over `libp2p-pubsub:` and the protobuf of from, data, seqno and topic (libp2p pubsub, StrictSign); of a direct message ' +
          'that of its envelope (docs/custom-protocol.md).',
      ),
    publicKey: z.string().optional().describe("base64 of libp2p's protobuf key; only where the peer id does not contain it."),
  })
  .meta({ id: 'Message' })
export type MessageView = z.infer<typeof messageSchema>

/** A message that is not in the log, or not yet. */
export const candidateSchema = messageSchema.omit({ cursor: true, receivedAt: true }).meta({ id: 'Candidate' })
export type CandidateView = z.infer<typeof candidateSchema>

export function messageView(message: StoredMessage, epoch: string, encoding?: Encoding): MessageView {
  return {
    cursor: formatCursor(epoch, message.seq),
    ...candidateView(message, encoding),
    receivedAt: new Date(message.receivedAt).toISOString(),
  }
}

export function candidateView(message: Omit<NewMessage, 'receivedAt'>, encoding?: Encoding): CandidateView {
  return {
    id: message.id,
    kind: kindOf(message),
    ...(message.topic === directTopic ? {} : { topic: message.topic }),
    ...(message.to === undefined ? {} : { to: message.to }),
    from: message.from,
    sequence: sequenceNumber(message.sequence).toString(),
    ...encodePayload(message.data, encoding),
    signature: Buffer.from(message.signature).toString('base64'),
    ...(message.publicKey === undefined ? {} : { publicKey: Buffer.from(message.publicKey).toString('base64') }),
  }
}
