import { z } from 'zod'
import { cursorSchema, formatCursor, type Seq } from './cursor.ts'
import { type Encoding, encodePayload, payloadSchema } from './payload.ts'
import { peerIdSchema } from './peer.ts'
import { type SignedMessage, sequenceNumber } from './signed-message.ts'
import { directTopic, topicSchema } from './topic.ts'

export const messageKindSchema = z.enum(['topic', 'direct']).meta({
  id: 'KindFilter',
  description: 'Kind of a message: published to a topic, or sent to one peer.',
  example: 'topic',
})
export type MessageKind = z.infer<typeof messageKindSchema>

/**
 * A message before its append. A direct message has the topic `directTopic`, and a different signature
 * (direct-message.ts).
 */
export interface NewMessage extends SignedMessage {
  /** Peer id of the recipient of a direct message. */
  to?: string
  /** `<from>.<sequence>`, unique in the log. */
  id: string
  /**
   * Time at which the gateway received the message or accepted it from a client: milliseconds since 1970, by the log's
   * clock.
   */
  receivedAt: number
  /** Age time at which the first gateway on the message's path received it, if it came from a peer's log. */
  firstSeenAt?: number
  /** `receivedAt` in age time (src/clock), which retention uses. Default: `receivedAt`. */
  storedAt?: number
}

/** A message in the log. */
export interface StoredMessage extends NewMessage {
  seq: Seq
  /** Not less than that of the previous message in the log. */
  receivedAt: number
  storedAt: number
}

export function kindOf({ topic }: Pick<NewMessage, 'topic'>): MessageKind {
  return topic === directTopic ? 'direct' : 'topic'
}

/** A message as clients see it, identical in REST and on the stream. */
export const messageSchema = z
  .object({
    cursor: cursorSchema,
    id: z
      .string()
      .max(256)
      .describe('Id of the message: `<from>.<sequence>`.')
      .meta({ example: '12D3KooWGzBVWSyX2WwYPxNSUAtV5E7aVvZLgzPZKbLsdFQhcZYz.1795444444000000001' }),
    kind: messageKindSchema,
    topic: topicSchema.optional().describe('Topic of a published message.'),
    to: peerIdSchema.optional().describe('Recipient of a direct message.'),
    from: peerIdSchema.describe('Peer id of the gateway or peer that signed the message.'),
    sequence: z.string().describe("The author's sequence number, in decimal.").meta({ example: '1795444444000000001' }),
    ...payloadSchema.shape,
    receivedAt: z.iso.datetime(),
    signature: z
      .string()
      .describe(
        'Signature in base64, over `libp2p-pubsub:` and the protobuf of from, data, seqno and topic (libp2p pubsub, StrictSign). For a direct ' +
          'message, the signature of its envelope (docs/custom-protocol.md).',
      ),
    publicKey: z
      .string()
      .optional()
      .describe("Public key of the author as libp2p's protobuf, in base64; only if the peer id does not contain it."),
  })
  .meta({ id: 'Message' })
export type MessageView = z.infer<typeof messageSchema>

/** A message outside the log: without cursor and time of receipt. */
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
