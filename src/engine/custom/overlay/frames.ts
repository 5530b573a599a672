import { z } from 'zod'
import { bytes } from '../../../lib/bytes-schema.ts'
import { isMessageId } from '../../../model/signed-message.ts'

/**
 * The frames of the overlay protocol. Frames are untrusted: the schemas here bound what one frame can hold, the limits
 * (limits.ts) bound what is kept of it.
 */

/** Bounds of the fields in frames. Senders split longer arrays. */
export const frameBounds = {
  /** A base58 peer id of an Ed25519 key has 52 characters; a CIDv1 in base36 has 62. */
  peerIdLength: 64,
  multiaddrs: 8,
  multiaddrLength: 256,
  /** In UTF-16 units; at most 256 bytes of UTF-8 are a topic. */
  topicLength: 256,
  /** Peer id, a dot and 20 digits. */
  messageIdLength: 96,
  tokenLength: 24,
  topics: 256,
  /** Topics of one peer in a sample. */
  sampleTopics: 8,
  samplePeers: 16,
  ids: 512,
  walkHops: 8,
  /** Hops of a message are counted up to here. */
  hops: 64,
  ageMs: 60_000,
  round: 2 ** 32 - 1,
  rank: 2 ** 32 - 1,
} as const

const peerId = z.string().min(1).max(frameBounds.peerIdLength)
const topic = z.string().min(1).max(frameBounds.topicLength)
const messageId = z.string().max(frameBounds.messageIdLength).refine(isMessageId)
const hops = z.int().min(0).max(frameBounds.hops)
const walkHops = z.int().min(0).max(frameBounds.walkHops)
/** Identifies a walk, so that its answer finds the way back. Chosen at random by the origin. */
const token = z.string().min(1).max(frameBounds.tokenLength)

export const peerRecordSchema = z.strictObject({
  peerId,
  multiaddrs: z.array(z.string().max(frameBounds.multiaddrLength)).max(frameBounds.multiaddrs).readonly(),
})

/**
 * The addresses that fit into a record of a peer. A hello may have more and longer ones. A frame or answer that contains
 * one of those is invalid, and its receiver disconnects the node that sent it.
 */
export function recordAddresses(multiaddrs: readonly string[]): string[] {
  return multiaddrs.filter(({ length }) => length <= frameBounds.multiaddrLength).slice(0, frameBounds.multiaddrs)
}

/** A peer, and some of the topics that it is said to be subscribed to. */
const sampledPeerSchema = z.strictObject({
  peer: peerRecordSchema,
  topics: z.array(topic).max(frameBounds.sampleTopics),
})
export type SampledPeer = z.infer<typeof sampledPeerSchema>

/** The signed message of a `message` frame; the wire's codec judges its bytes, and takes id and topic from them. */
const envelopeSchema = z.strictObject({ id: messageId, topic, bytes: bytes() })

export const overlayFrameSchema = z.discriminatedUnion('type', [
  /** Topics that the sender has subscribed to, and topics that it has unsubscribed from. */
  z.strictObject({
    type: z.literal('subscriptions'),
    add: z.array(topic).max(frameBounds.topics),
    remove: z.array(topic).max(frameBounds.topics),
  }),

  /** The sender is new, and asks to be a neighbour and to be made known. */
  z.strictObject({ type: z.literal('join') }),
  /** A walk. The last node dials the peer. */
  z.strictObject({ type: z.literal('forward-join'), peer: peerRecordSchema, hops: walkHops }),
  /**
   * Asks to be neighbours in the view of all peers, or of the topic's subscribers. `high` comes from a peer with an
   * empty view.
   */
  z.strictObject({ type: z.literal('neighbor'), topic: topic.optional(), priority: z.enum(['low', 'high']) }),
  z.strictObject({ type: z.literal('neighbor-reply'), topic: topic.optional(), accepted: z.boolean() }),
  /** The sender has removed the receiver from its view. The link may stay. */
  z.strictObject({ type: z.literal('disconnect'), topic: topic.optional() }),

  /** A walk. The last node keeps the sample and answers with its own. */
  z.strictObject({
    type: z.literal('shuffle'),
    token,
    topic: topic.optional(),
    hops: walkHops,
    peers: z.array(sampledPeerSchema).max(frameBounds.samplePeers),
  }),
  /** The answer to a shuffle, on the same path back. */
  z.strictObject({ type: z.literal('shuffle-reply'), token, peers: z.array(sampledPeerSchema).max(frameBounds.samplePeers) }),
  /**
   * A walk that ends at a node that knows subscribers of the topic. Has the seeker's record when the seeker is
   * subscribed.
   */
  z.strictObject({ type: z.literal('seek'), token, topic, hops: walkHops, seeker: peerRecordSchema.optional() }),
  /** The answer to a seek, on the same path back. */
  z.strictObject({ type: z.literal('found'), token, topic, peers: z.array(peerRecordSchema).max(frameBounds.samplePeers) }),

  /**
   * A message. `hops` is the number of links that it crossed before this one, 0 at its author. An author that is not
   * subscribed sends `spare` copies to several subscribers; a receiver with other neighbours in the topic answers with
   * a prune.
   */
  z.strictObject({ type: z.literal('message'), hops, spare: z.literal(true).optional(), envelope: envelopeSchema }),
  /** Announces messages. For a new neighbour, those of the last seconds, each with its age at the sender. */
  z.strictObject({
    type: z.literal('ihave'),
    topic,
    messages: z
      .array(z.strictObject({ id: messageId, hops, ageMs: z.int().min(0).max(frameBounds.ageMs).optional() }))
      .max(frameBounds.ids),
  }),
  /** Requests these messages, and asks to be pushed later ones. */
  z.strictObject({ type: z.literal('graft'), topic, ids: z.array(messageId).max(frameBounds.ids) }),
  /** Asks to be pushed the messages of these topics, as a new neighbour in each. */
  z.strictObject({ type: z.literal('grafts'), topics: z.array(topic).max(frameBounds.topics) }),
  /**
   * Renews the topic's tree. A beacon is sent on all links; the path on which it arrives first is the shortest to its
   * root. A higher round wins; within a round, the higher rank, which is random.
   */
  z.strictObject({
    type: z.literal('beacon'),
    topic,
    round: z.int().min(1).max(frameBounds.round),
    rank: z.int().min(0).max(frameBounds.rank),
  }),
  /** Asks for announcements instead of messages, since they arrive on another link. */
  z.strictObject({ type: z.literal('prune'), topic }),
])

export type OverlayFrame = z.infer<typeof overlayFrameSchema>

/** A frame of one type. */
export type FrameOf<Type extends OverlayFrame['type']> = Extract<OverlayFrame, { type: Type }>
