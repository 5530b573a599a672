import type { Verdict } from '../../../model/verdict.ts'
import type { OverlayFrame } from './frames.ts'

/**
 * The overlay network: membership, the views of topics, and broadcast. Pure: it owns no socket and no clock; it acts
 * through its components, and its methods tell it of events. Synchronous and not reentrant.
 */
export interface Overlay {
  /**
   * A link is open, its hellos exchanged. A pinned link was requested by a user or the configuration, and is never hung
   * up here.
   */
  connected(peer: PeerRecord, link: { direction: 'inbound' | 'outbound'; pinned: boolean }): void
  /** The peer of a link sent another hello, or a user requested the existing link. */
  updated(peer: PeerRecord, link: { pinned: boolean }): void
  disconnected(peerId: string): void
  /** A requested dial failed. */
  dialFailed(peerId: string): void
  /** Peers found by other means: bootstrap, mDNS, the database. */
  discovered(peers: PeerRecord[]): void
  /** Peers that are said to be subscribed to a topic. */
  subscribersFound(topic: string, peers: PeerRecord[]): void
  /** Peers that a refusing peer suggests. */
  suggested(peers: readonly PeerRecord[]): void
  /** A frame of a linked peer, decoded and within the wire's limits, but not trusted. */
  receive(peerId: string, frame: OverlayFrame): void

  subscribe(topic: string): void
  unsubscribe(topic: string): void
  /** The peer's points of penalty, at the moment. */
  penalty(peerId: string): number
  /** Linked peers that say they are subscribed. */
  subscribers(topic: string): string[]
  /** Sends this node's messages; returns for each the number of linked peers that it was handed to. */
  publish(messages: Envelope[]): number[]
  /** Settles a message that `onMessage` was called with. Only accepted messages are forwarded. */
  settle(id: string, outcome: Outcome): void

  /** Call it every `tickMs`. All timed work is done here. */
  tick(): void

  /** Sizes of the overlay's state, for metrics. */
  size(): OverlaySize
}

/**
 * A verdict, or `forged`: the signature is wrong. The id of a forged message stays unknown, and the true message is
 * requested.
 */
export type Outcome = Verdict | 'forged'

/** Entries kept, and bytes where it says so. */
export interface OverlaySize {
  links: number
  activeView: number
  passiveView: number
  topicViews: number
  /** Ids and authors. */
  seen: number
  cacheMessages: number
  cacheBytes: number
  missing: number
  pending: number
  announcements: number
  answers: number
  knownSubscribers: number
  walks: number
  scoredPeers: number
}

/** A peer with its told addresses, which are hints. The handshake proves which peer answers there. */
export interface PeerRecord {
  readonly peerId: string
  readonly multiaddrs: readonly string[]
}

/** A signed message as the overlay sees it. */
export interface Envelope {
  /** The author's peer id and sequence number: the same on every node. */
  readonly id: string
  readonly topic: string
  /** The encoded message. */
  readonly bytes: Uint8Array
}

/** `full`: other links need the place. `idle`: the link has no role. `avoided`: the peer reached the penalty limit. */
export type HangUpReason = 'full' | 'idle' | 'avoided'

export interface OverlayComponents {
  /** Milliseconds, monotonic. */
  now(): number
  /** In [0, 1). */
  random(): number
  /** Queues a frame for a linked peer. False when too much waits for it and the frame was dropped. */
  send(peerId: string, frame: OverlayFrame): boolean
  /** Requests a link. The result is reported by `connected` or `dialFailed`. */
  dial(peer: PeerRecord): void
  /** Ends a link. */
  hangUp(peerId: string, why: HangUpReason): void
  /** A linked peer has told the addresses of a peer, which may now be dialled. */
  told(peer: PeerRecord, by: string): void
  /**
   * A new message of a subscribed topic, to be verified, judged and then settled by `settle`. False when the host has no
   * room for it: it is dropped, and taken when it comes again. The host thereby bounds the messages that wait for their
   * verdict.
   */
  onMessage(envelope: Envelope, from: string): boolean
  /** A linked peer is the first to announce these messages of subscribed topics, which are not here. */
  onAnnounced(peerId: string, ids: string[]): void
  /** These messages, which this peer was the first to announce, are given up: none that was asked has sent them. */
  onMissed(peerId: string, ids: string[]): void
  /** A linked peer has subscribed or unsubscribed. */
  onSubscription(peerId: string, topic: string, subscribed: boolean): void
  /** There was no room for a topic of a linked peer (subscriptions.ts). */
  onTopicRefused(): void
  /** The subscriptions of a linked peer made this node tell it of so many messages. */
  onTold(peerId: string, messages: number): void
}
