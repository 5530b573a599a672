import { z } from 'zod'

/**
 * What overlays say to each other over a link. Frames are hostile until their handler has judged them: a shape here bounds what one
 * frame can hold, the limits (limits.ts) bound what is kept of it.
 */

/** Entries of the arrays in frames. Senders split what is longer. */
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
  /** Of one peer in a sample. */
  sampleTopics: 8,
  samplePeers: 16,
  ids: 512,
  walkHops: 8,
  /** Hops of a message are counted up to here. */
  hops: 64,
  ageMs: 60_000,
  rank: 2 ** 32 - 1,
} as const

const peerId = z.string().min(1).max(frameBounds.peerIdLength)
const topic = z.string().min(1).max(frameBounds.topicLength)
const messageId = z.string().min(3).max(frameBounds.messageIdLength)
const hops = z.int().min(0).max(frameBounds.hops)
const walkHops = z.int().min(0).max(frameBounds.walkHops)
/** Names a walk, so that its answer finds the way back; drawn at random by the origin. */
const token = z.string().min(1).max(frameBounds.tokenLength)

export const peerRecordSchema = z.strictObject({
  peerId,
  multiaddrs: z.array(z.string().max(frameBounds.multiaddrLength)).max(frameBounds.multiaddrs).readonly(),
})

/** A peer, and some of the topics that it is said to be subscribed to. */
const sampledPeerSchema = z.strictObject({
  peer: peerRecordSchema,
  topics: z.array(topic).max(frameBounds.sampleTopics),
})
export type SampledPeer = z.infer<typeof sampledPeerSchema>

/** The signed message of a `message` frame; the wire's codec judges its bytes, and takes id and topic from them. */
const envelopeSchema = z.strictObject({ id: messageId, topic, bytes: z.custom<Uint8Array>((value) => value instanceof Uint8Array) })

export const overlayFrameSchema = z.discriminatedUnion('type', [
  /** Topics that the sender is subscribed to from now on, and those that it is not any more. */
  z.strictObject({
    type: z.literal('subscriptions'),
    add: z.array(topic).max(frameBounds.topics),
    remove: z.array(topic).max(frameBounds.topics),
  }),

  /** The sender is new: "take me in, and let others know". */
  z.strictObject({ type: z.literal('join') }),
  /** Walks on until its hops are used up; who it ends with dials the peer. */
  z.strictObject({ type: z.literal('forward-join'), peer: peerRecordSchema, hops: walkHops }),
  /** Asks to be in each other's view: of all peers, or of the topic's subscribers. `high` comes from a peer whose view is almost empty. */
  z.strictObject({ type: z.literal('neighbor'), topic: topic.optional(), priority: z.enum(['low', 'high']) }),
  z.strictObject({ type: z.literal('neighbor-reply'), topic: topic.optional(), accepted: z.boolean() }),
  /** The sender has taken the receiver out of the view; the link may stay. */
  z.strictObject({ type: z.literal('disconnect'), topic: topic.optional() }),

  /** Walks on until its hops are used up; who it ends with keeps the sample and answers with one of its own. */
  z.strictObject({
    type: z.literal('shuffle'),
    token,
    topic: topic.optional(),
    hops: walkHops,
    peers: z.array(sampledPeerSchema).max(frameBounds.samplePeers),
  }),
  /** Goes back the way that the shuffle came. */
  z.strictObject({ type: z.literal('shuffle-reply'), token, peers: z.array(sampledPeerSchema).max(frameBounds.samplePeers) }),
  /** Walks until somebody knows subscribers of the topic. With the seeker's record, when it is subscribed itself. */
  z.strictObject({ type: z.literal('seek'), token, topic, hops: walkHops, seeker: peerRecordSchema.optional() }),
  /** Goes back the way that the seek came. */
  z.strictObject({ type: z.literal('found'), token, topic, peers: z.array(peerRecordSchema).max(frameBounds.samplePeers) }),

  /**
   * A message. `hops` are the links it had crossed when it was sent, 0 at its author. A `spare` copy was handed to several subscribers by
   * an author who is not subscribed: who has other subscribers beside it asks to be left out (prune).
   */
  z.strictObject({ type: z.literal('message'), hops, spare: z.literal(true).optional(), envelope: envelopeSchema }),
  /** Messages that the sender has. A new neighbour is told of the last seconds, with how long the sender has had each. */
  z.strictObject({
    type: z.literal('ihave'),
    topic,
    messages: z
      .array(z.strictObject({ id: messageId, hops, ageMs: z.int().min(0).max(frameBounds.ageMs).optional() }))
      .max(frameBounds.ids),
  }),
  /** Wants these messages, and those to come as soon as they are there. */
  z.strictObject({ type: z.literal('graft'), topic, ids: z.array(messageId).max(frameBounds.ids) }),
  /**
   * Renews the topic's tree: goes along all links, and the way that it came first is the shortest way to where it began. Of two beacons
   * that with the higher round counts, of the same round that with the higher rank, which is drawn by chance.
   */
  z.strictObject({
    type: z.literal('beacon'),
    topic,
    round: z.int().min(1),
    rank: z.int().min(0).max(frameBounds.rank),
  }),
  /** Wants to be told of messages only, since they come from elsewhere. */
  z.strictObject({ type: z.literal('prune'), topic }),
])

export type OverlayFrame = z.infer<typeof overlayFrameSchema>

/** A frame of one type. */
export type FrameOf<Type extends OverlayFrame['type']> = Extract<OverlayFrame, { type: Type }>
