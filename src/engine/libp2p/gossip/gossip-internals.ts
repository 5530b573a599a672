import type { GossipSub, Message } from '@libp2p/gossipsub'
import type { RPC } from '@libp2p/gossipsub/message'
import type { TopicScoreParams } from '@libp2p/gossipsub/score'
import type { MessageId, MessageStatus, RejectReasonObj } from '@libp2p/gossipsub/types'
import type { Connection, PeerId, Stream } from '@libp2p/interface'

/** The version that package.json pins, whose private members these are. */
export const pinnedVersion = '17.1.1'

/** Bytes in one piece or several. */
export interface GossipFrame {
  subarray(): Uint8Array
}

/** The outcome of a received message for gossipsub; only a message with a valid signature has an id. */
export type ReceivedMessageResult =
  | { code: MessageStatus.duplicate; msgIdStr: string }
  | ({ code: MessageStatus.invalid; msgIdStr?: string } & RejectReasonObj)
  | { code: MessageStatus.valid; messageId: MessageId; msg: Message }

/** The gossip stream to a peer. */
export interface OutboundGossip {
  /** Writes an RPC. @throws Error when the stream cannot take it */
  push(rpc: Uint8Array): void
  readonly rawStream: Stream
}

/** The private members of gossipsub that this engine uses, to publish signed messages and to repair broken state. */
export interface GossipInternals {
  selectPeersToPublish(topic: string, floodPublish?: boolean): { tosend: Set<string> }
  /**
   * Sends an RPC with pending control added; every RPC leaves this way. Returns false when the peer's stream did not take
   * it.
   */
  sendRpc(peerId: string, rpc: RPC): boolean
  /** Adds to the RPC those parts of a peer's pending control that are still valid. */
  piggybackControl(peerId: string, rpc: RPC, control: RPC.ControlMessage): void
  /** Pending control by peer, for the next RPC. */
  readonly control: Map<string, RPC.ControlMessage>
  readonly gossip: Map<string, RPC.ControlIHave[]>
  /** Takes the peer into the topic's mesh if there is room; the caller sends the GRAFT. */
  graftOnSubscribe(peerId: string, topic: string): boolean
  sendGraft(peerId: string, topics: string[]): void
  /** Sends a PRUNE with the back-off of a topic that is left, which both ends keep. */
  sendPrune(peerId: string, topic: string): Promise<void>
  sendSubscriptions(peerId: string, topics: string[], subscribe: boolean): void
  /** Opens the stream to a peer that has none. */
  onPeerConnected(peerId: PeerId, connection: Connection): void
  /** A peer opened a stream of gossip; its frames are read from then on. */
  onIncomingStream(stream: Stream, connection: Connection): void
  /** Reads a peer's RPCs, each a frame without its length. */
  pipePeerReadStream(peerId: PeerId, frames: AsyncIterable<GossipFrame>): Promise<void>
  /** Verifies a message and has it judged; gossipsub scores, delivers and forwards by the answer. */
  validateReceivedMessage(source: PeerId, message: RPC.Message): Promise<ReceivedMessageResult>
  /** What to ask a peer for of what it has announced: what was not seen, unless the peer announces too much. */
  handleIHave(peerId: string, ihave: RPC.ControlIHave[]): RPC.ControlIWant[]
  /** Sends IDONTWANT for a message to the topic's mesh, except to the source. */
  sendIDontWants(id: Uint8Array, topic: string, source: string): void
  msgIdToStrFn(id: Uint8Array): string
  readonly seenCache: { has(id: string): boolean; put(id: string, value: undefined): boolean }
  readonly publishedMessageIds: { put(id: string, value: undefined): boolean }
  readonly mcache: {
    put(id: { msgId: Uint8Array; msgIdStr: string }, message: RPC.Message, validated: boolean): boolean
    /** The ids of the messages of the last heartbeats, by topic. */
    getGossipIDs(topics: Set<string>): Map<string, Uint8Array[]>
  }
  readonly peers: Map<string, PeerId>
  /** Neighbours that messages of a topic are sent to, by topic. */
  readonly mesh: Map<string, Set<string>>
  /** Subscribers by topic. */
  readonly topics: Map<string, Set<string>>
  readonly streamsOutbound: Map<string, OutboundGossip>
  readonly opts: { readonly idontwantMinDataSize: number }
  readonly score: {
    readonly params: { readonly topics: Record<string, TopicScoreParams> }
    /** The score of a peer; 0 of an unknown one. */
    score(peerId: string): number
  }
}

/** The only place that accesses library internals. @throws Error when they differ from those of the pinned version */
export function gossipInternals(pubsub: GossipSub): GossipInternals {
  const missing = missingParts(pubsub)
  if (isGossipInternals(pubsub)) return pubsub
  throw new Error(
    `This is not @libp2p/gossipsub ${pinnedVersion}, which the engine publishes through: ${missing.join(', ')} differ. Install that version.`,
  )
}

const methods = [
  'selectPeersToPublish',
  'sendRpc',
  'piggybackControl',
  'graftOnSubscribe',
  'sendGraft',
  'sendPrune',
  'sendSubscriptions',
  'onPeerConnected',
  'onIncomingStream',
  'pipePeerReadStream',
  'validateReceivedMessage',
  'handleIHave',
  'sendIDontWants',
  'msgIdToStrFn',
]
const caches = ['seenCache', 'publishedMessageIds', 'mcache']
const maps = ['peers', 'mesh', 'topics', 'streamsOutbound', 'control', 'gossip']

function isGossipInternals(pubsub: GossipSub): pubsub is GossipSub & GossipInternals {
  return missingParts(pubsub).length === 0
}

function missingParts(pubsub: object): string[] {
  const part = (name: string): unknown => Reflect.get(pubsub, name)
  return [
    ...methods.filter((name) => typeof part(name) !== 'function'),
    ...caches.filter((name) => typeof Object(part(name)).put !== 'function'),
    ...maps.filter((name) => !(part(name) instanceof Map)),
    ...(typeof Object(part('mcache')).getGossipIDs === 'function' ? [] : ['mcache']),
    ...(typeof Object(part('seenCache')).has === 'function' ? [] : ['seenCache']),
    ...(typeof Object(part('opts')).idontwantMinDataSize === 'number' ? [] : ['opts']),
    ...(typeof Object(Object(part('score')).params).topics === 'object' ? [] : ['score']),
    ...(typeof Object(part('score')).score === 'function' ? [] : ['score']),
  ]
}
