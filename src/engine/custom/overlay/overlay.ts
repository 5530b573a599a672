import type { Verdict } from '../../../model/verdict.ts'
import type { OverlayFrame } from './frames.ts'

/**
 * Who is linked to whom, and which way a message goes: membership, the views of topics, and broadcast. Pure: it owns no socket and no
 * clock; what it wants done it asks of its components, and what happens it is told. One turn at a time: no method calls itself again
 * before it has returned, and nothing here waits.
 */
export interface Overlay {
  /** A link is there, its hello exchanged. A pinned link was asked for by a user or the configuration, and is never given up here. */
  connected(peer: PeerRecord, link: { direction: 'inbound' | 'outbound'; pinned: boolean }): void
  /** The peer of a link has told more of itself, or somebody has asked for the link that is there: what it is known by stays. */
  updated(peer: PeerRecord, link: { pinned: boolean }): void
  disconnected(peerId: string): void
  /** A dial that was asked for came to nothing. */
  dialFailed(peerId: string): void
  /** Peers found by other means: bootstrap, mDNS, the database. */
  discovered(peers: PeerRecord[]): void
  /** Peers that are said to be subscribed to a topic. */
  subscribersFound(topic: string, peers: PeerRecord[]): void
  /** Peers that somebody names instead of having a link itself. */
  suggested(peers: readonly PeerRecord[]): void
  /** A frame of a linked peer, already decoded and within the wire's limits, but not to be believed. */
  receive(peerId: string, frame: OverlayFrame): void

  subscribe(topic: string): void
  unsubscribe(topic: string): void
  /** Linked peers that say they are subscribed. */
  subscribers(topic: string): string[]
  /** Hands messages of our own to the network; answers for each the number of linked peers that it was handed to. */
  publish(messages: Envelope[]): number[]
  /** What became of a message that `onMessage` was called with; only what was accepted is forwarded. */
  settle(id: string, outcome: Outcome): void

  /** To be called every `tickMs`; everything that has to do with time happens here. */
  tick(): void

  /** How much is kept, for metrics. */
  size(): OverlaySize
}

/** A verdict, or that the message is not its author's: then its id stays unknown, and the true one is looked for. */
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
  pendingBytes: number
  announcements: number
  knownSubscribers: number
  walks: number
  scoredPeers: number
}

/** What is said of a peer. Addresses are hints: who answers there is proven by the handshake. */
export interface PeerRecord {
  readonly peerId: string
  readonly multiaddrs: readonly string[]
}

/** A signed message as the overlay sees it. */
export interface Envelope {
  /** The author's peer id and sequence number: the same on every node. */
  readonly id: string
  readonly topic: string
  /** The message as it stands on the wire. */
  readonly bytes: Uint8Array
}

/** `full`: others have the places. `idle`: it has no role. `avoided`: the peer has done wrong. */
export type HangUpReason = 'full' | 'idle' | 'avoided'

export interface OverlayComponents {
  /** Milliseconds, monotonic. */
  now(): number
  /** In [0, 1). */
  random(): number
  /** Queues a frame for a linked peer. False when too much waits there already: the frame was dropped. */
  send(peerId: string, frame: OverlayFrame): boolean
  /** Wants a link; answered by `connected` or `dialFailed`. */
  dial(peer: PeerRecord): void
  /** Has no use for a link any more. */
  hangUp(peerId: string, why: HangUpReason): void
  /** A linked peer has said where a peer is, which may now be dialled on its word. */
  told(peer: PeerRecord, by: string): void
  /** A message that is new here, of a topic that is subscribed: to be verified and judged, then `settle`. */
  onMessage(envelope: Envelope, from: string): void
  /** A linked peer began or ended to be subscribed. */
  onSubscription(peerId: string, topic: string, subscribed: boolean): void
}
