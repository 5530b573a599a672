import type { GossipSub, Message } from '@libp2p/gossipsub'
import type { RPC } from '@libp2p/gossipsub/message'
import type { TopicScoreParams } from '@libp2p/gossipsub/score'
import type { MessageId, MessageStatus, RejectReasonObj } from '@libp2p/gossipsub/types'
import type { Connection, PeerId, Stream } from '@libp2p/interface'

/** The version that package.json pins, and whose private parts these are. */
export const pinnedVersion = '17.1.1'

/** Bytes in one piece or several. */
export interface GossipFrame {
  subarray(): Uint8Array
}

/** What gossipsub is to do with a message that came; an id only of one whose author signed it. */
export type ReceivedMessageResult =
  | { code: MessageStatus.duplicate; msgIdStr: string }
  | ({ code: MessageStatus.invalid; msgIdStr?: string } & RejectReasonObj)
  | { code: MessageStatus.valid; messageId: MessageId; msg: Message }

/** The stream of gossip to a peer. */
export interface OutboundGossip {
  /** Writes an RPC. @throws Error when the stream can't take it */
  push(rpc: Uint8Array): void
  readonly rawStream: Stream
}

/** What this engine needs of gossipsub's private parts: to publish signed messages, and to mend what it would leave broken. */
export interface GossipInternals {
  selectPeersToPublish(topic: string, floodPublish?: boolean): { tosend: Set<string> }
  /** False when the peer's stream did not take it. Adds to the RPC what else the peer should hear; every RPC but subscriptions leaves by it. */
  sendRpc(peerId: string, rpc: RPC): boolean
  /** Adds to the RPC what is still true of a peer's control that waits. */
  piggybackControl(peerId: string, rpc: RPC, control: RPC.ControlMessage): void
  /** By peer, what waits for the next RPC. */
  readonly control: Map<string, RPC.ControlMessage>
  readonly gossip: Map<string, RPC.ControlIHave[]>
  /** Takes the peer into the topic's mesh if there is room; the caller sends the GRAFT. */
  graftOnSubscribe(peerId: string, topic: string): boolean
  sendGraft(peerId: string, topics: string[]): void
  /** Opens the stream to a peer that has none. */
  onPeerConnected(peerId: PeerId, connection: Connection): void
  /** A peer opened a stream of gossip; its frames are read from then on. */
  onIncomingStream(stream: Stream, connection: Connection): void
  /** Reads a peer's RPCs, each a frame without its length. */
  pipePeerReadStream(peerId: PeerId, frames: AsyncIterable<GossipFrame>): Promise<void>
  /** Verifies a message and has it judged; gossipsub scores, delivers and forwards by the answer. */
  validateReceivedMessage(source: PeerId, message: RPC.Message): Promise<ReceivedMessageResult>
  /** Tells the topic's mesh, without the source, that a message need not be sent here. */
  sendIDontWants(id: Uint8Array, topic: string, source: string): void
  msgIdToStrFn(id: Uint8Array): string
  readonly seenCache: { has(id: string): boolean; put(id: string, value: undefined): boolean }
  readonly publishedMessageIds: { put(id: string, value: undefined): boolean }
  readonly mcache: { put(id: { msgId: Uint8Array; msgIdStr: string }, message: RPC.Message, validated: boolean): boolean }
  readonly peers: Map<string, PeerId>
  /** Subscribers by topic. */
  readonly topics: Map<string, Set<string>>
  readonly streamsOutbound: Map<string, OutboundGossip>
  readonly opts: { readonly idontwantMinDataSize: number }
  readonly score: { readonly params: { readonly topics: Record<string, TopicScoreParams> } }
}

/** The one place that looks into a library. @throws Error when these are not the parts that the pinned version has */
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
  'onPeerConnected',
  'onIncomingStream',
  'pipePeerReadStream',
  'validateReceivedMessage',
  'sendIDontWants',
  'msgIdToStrFn',
]
const caches = ['seenCache', 'publishedMessageIds', 'mcache']
const maps = ['peers', 'topics', 'streamsOutbound', 'control', 'gossip']

function isGossipInternals(pubsub: GossipSub): pubsub is GossipSub & GossipInternals {
  return missingParts(pubsub).length === 0
}

function missingParts(pubsub: object): string[] {
  const part = (name: string): unknown => Reflect.get(pubsub, name)
  return [
    ...methods.filter((name) => typeof part(name) !== 'function'),
    ...caches.filter((name) => typeof Object(part(name)).put !== 'function'),
    ...maps.filter((name) => !(part(name) instanceof Map)),
    ...(typeof Object(part('seenCache')).has === 'function' ? [] : ['seenCache']),
    ...(typeof Object(part('opts')).idontwantMinDataSize === 'number' ? [] : ['opts']),
    ...(typeof Object(Object(part('score')).params).topics === 'object' ? [] : ['score']),
  ]
}
