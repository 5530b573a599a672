import type { AddressSource } from '../model/peer.ts'
import type { SignedMessage } from '../model/signed-message.ts'
import type { Verdict } from '../model/verdict.ts'
import type { LimitsReached } from './limits-reached.ts'
import type { Routing } from './routing.ts'
import type { SignalOptions } from './signal-options.ts'

/**
 * The node: identity, links to other peers, publish and subscribe. One contract, whole on every engine; test/compliance/engine.ts
 * tests each sentence of it.
 *
 * Every method is async and takes plain values, so that an engine could live in a worker thread. A method that waits takes an
 * AbortSignal, and rejects with the signal's reason when it fires. Before `start` and after `stop`, links are empty and sending
 * reaches nobody; subscriptions are the engine's to keep from `subscribe` to `unsubscribe`, also through a stop and a start.
 */
export interface P2PEngine extends AsyncDisposable {
  readonly kind: EngineKind
  /** This node's peer id, derived from its Ed25519 key: the same on every engine. */
  readonly peerId: string

  /** Listens, then looks for peers. A failed start leaves nothing open. Starting twice is one start. */
  start(): Promise<void>
  /** Closes every link and socket. Idempotent; the engine may be started again. */
  stop(): Promise<void>

  /** How others come to this node, as far as it knows. */
  reachability(): Promise<Reachability>

  /** Addresses others can dial, each ending in `/p2p/<peerId>`. Empty while stopped. */
  multiaddrs(): Promise<string[]>

  /**
   * Opens a link, or answers the one that is there. The address may end in `/p2p/<peerId>`, and then nobody else is accepted there. Resolves
   * once the peer has shown that it wants the link, and said who it is, or is late with that.
   * @throws DialForbidden when the dial policy refuses every address it resolves to
   * @throws PeerBlocked when the peer is blocked
   * @throws AddressUnsupported when the engine has no transport for it
   * @throws SelfDial when it is this node that answers, or is named
   * @throws DialFailed when nobody answers, or somebody else does, or the peer wants no link, or refused one lately; `errors` names each address that was tried and why it failed
   */
  dial(multiaddr: string, options: DialOptions): Promise<DialledPeer>
  /** Closes every link to the peer; nothing happens when there is none. */
  hangUp(peerId: string): Promise<void>
  /**
   * The round trip to a connected peer, in milliseconds; dials nobody.
   * @throws PeerNotConnected
   * @throws PeerUnreachable when the answer does not come
   */
  ping(peerId: string, options: SignalOptions): Promise<number>
  /** The connected peers, each once however many links it has. */
  peers(): Promise<ConnectedPeer[]>
  /** Peer ids, this node's own among them, that two running nodes answer with, as far as it is known; the latest last. */
  conflicts(): Promise<IdentityConflict[]>
  /** Closes the links to the peer and refuses new ones in both directions until `unblock`. Holds until the engine is discarded. */
  block(peerId: string): Promise<void>
  unblock(peerId: string): Promise<void>

  /** Receives the topic's messages from now on. Idempotent. */
  subscribe(topic: string): Promise<void>
  /** Receives no more of them. Idempotent. */
  unsubscribe(topic: string): Promise<void>
  topics(): Promise<string[]>
  /** Peer ids of the connected peers known to be subscribed to the topic. */
  subscribers(topic: string): Promise<string[]>

  /**
   * Gives each message the next sequence number, above every one that was ever given under this key, and signs it.
   * Nothing leaves the node.
   */
  sign(messages: OwnMessage[]): Promise<SignedMessage[]>
  /** The same for a message to one peer (model/direct-message.ts): its envelope. */
  signDirect(message: { to: string; data: Uint8Array }): Promise<Uint8Array>
  /**
   * Hands signed messages of our own to the network, in the order given, whether or not we are subscribed to their topics.
   * Answers for each the number of connected peers it was handed to, which never counts ourselves; 0 when there was nobody.
   * Sending a message again is harmless: receivers know its id.
   */
  send(messages: SignedMessage[]): Promise<number[]>
  /** Peers that were not handed everything. An engine without it sees to them itself. */
  readonly stragglers?: Stragglers

  /**
   * Asks a connected peer on a stream of its own: sends the body and its end, and answers all that comes back.
   * @throws PeerNotConnected
   * @throws ProtocolUnsupported when the peer does not speak the protocol
   * @throws PeerUnreachable when no whole answer came in time, or more than `maxAnswerBytes`
   */
  request(peerId: string, protocol: string, body: Uint8Array, options: RequestOptions): Promise<Uint8Array>
  /**
   * Answers requests on a protocol, through stops and starts, until `unhandle`. A handler that rejects, a body over the limit, and
   * requests beyond the number, or the bytes, at once get no answer. A request counts from when its body is there until the handler is
   * done with it, whoever still waits. Handling a protocol again replaces the handler.
   */
  handle(protocol: string, handler: RequestHandler, options: HandleOptions): Promise<void>
  /** Idempotent. */
  unhandle(protocol: string): Promise<void>

  /** Where messages of other peers go. Set once, before `start`. */
  receive(inbound: Inbound): void

  /** Messages of the network that were ignored because too many waited for an answer, or it came too late. */
  readonly dropped: number

  /** How often a limit had the engine refuse or cut something since it was made. */
  readonly limitsReached: LimitsReached['counts']

  /** The DHT. */
  readonly routing: Routing

  /** Notices of what happened; nothing waits for the listener. Answers a function that ends the notices. */
  listen(listener: (event: EngineEvent) => void): () => void
}

/**
 * Connected peers that had no room for a message, or may have lost one with a stream (`peer:behind`). They are sent nothing by `send`, and
 * nothing is forwarded to them, until they have been handed all that came since.
 */
export interface Stragglers {
  /** Whether there is room for more than a little; `peer:room` tells when there is. Costs nothing to ask. */
  hasRoom(peerId: string): boolean
  /**
   * Hands messages of any author to such a peer, in the order given; those of topics that it has not joined are skipped. Answers how many of the
   * messages, counted from the first, were handed or skipped. There was no room for the others; `peer:room` tells when there is.
   */
  send(peerId: string, messages: SignedMessage[]): Promise<number>
  /**
   * The peer was handed everything: it is no straggler any more. False when something has been kept from it since this was called last; then
   * it still is one.
   */
  settle(peerId: string): boolean
  /**
   * Of each peer that does not read our log for what it has missed, straggler or not: the id of the first message that it was handed and that
   * has not left this node. It would be lost if the process ended now.
   */
  unsent(): string[]
}

export interface Reachability {
  /** `direct`: a peer has dialled back. `hidden`: those that tried could not, or nothing is listened on; relays are used. */
  state: 'unknown' | 'direct' | 'hidden'
  /** IP addresses that peers see this node at. */
  observed: string[]
  /** Relays that lead here, by peer id. */
  relays: string[]
}

export interface IdentityConflict {
  peerId: string
  /** Where nodes with it were seen, as multiaddrs. */
  multiaddrs: string[]
  /** The peer that says so, of this node's own peer id; null when it was seen here. */
  toldBy: string | null
  /** In milliseconds since 1970. */
  lastSeenAt: number
}

export type EngineKind = 'custom' | 'libp2p' | 'memory'

export interface DialOptions extends SignalOptions {
  source: AddressSource
  /** A client asks for this very dial, so it is made although the peer refused links lately. By default if the source is `rest`. */
  isAsked?: boolean | undefined
  /** The peer said it of itself on a link, before this node was started anew, and then it was judged. */
  isRemembered?: boolean | undefined
}

export interface RequestOptions extends SignalOptions {
  maxAnswerBytes: number
}

/** Answers a request of a peer; the signal fires when the time for it is over, or the peer gave it up. */
export type RequestHandler = (request: { from: string; body: Uint8Array; signal: AbortSignal }) => Promise<Uint8Array>

export interface HandleOptions {
  maxRequestBytes: number
  /**
   * Requests of one peer being worked on while no other asks. The peers of one address have a third more, and all addresses a third more
   * than that; of each one has a quarter while others ask.
   */
  maxConcurrent: number
  /** The same by bytes of their bodies; without a limit of its own when it is not said. */
  maxConcurrentBytes?: number
  /** Whether requests of the peer are taken at all; asked before the body is there. Everybody's are when it is not said. */
  admits?(from: string): boolean
}

export interface OwnMessage {
  topic: string
  data: Uint8Array
}

/** The way in for messages of others. Each was verified by the engine: its author signed it. Our own never come back this way. */
export interface Inbound {
  /**
   * Called once for each new message of a subscribed topic, before it is forwarded. `accept` takes the message in and forwards it;
   * `ignore` drops it; `reject` drops it and counts against the peer that brought it. A message is taken in only by the answer
   * `accept`; an error counts as `ignore`. The engine bounds the bytes of messages waiting for an answer, per topic and in all, and
   * ignores what comes beyond.
   */
  onMessage(message: SignedMessage): Promise<Verdict>
  /**
   * Undefined while there is room for more messages, and for those that this peer signs; else resolves when that may have changed. Meanwhile
   * the engine reads no gossip of the peer, for a while, so that whoever is faster is held back and loses nothing. Without it there always is.
   */
  room?(peerId: string): Promise<void> | undefined
}

export interface ConnectedPeer {
  peerId: string
  /** Where it was dialled, then the addresses the peer says it listens on. The remote end of a link that it has dialled leads nowhere. */
  multiaddrs: string[]
  direction: 'inbound' | 'outbound'
  relayed: boolean
  /** Null until the peer has said. */
  agent: string | null
  protocols: string[]
  latencyMs: number | null
}

export interface DialledPeer extends ConnectedPeer {
  /** Whether the peer was found at the address, by this dial or the one that made the link; false for a link that leads elsewhere. */
  isThere: boolean
}

export type EngineEvent =
  | { type: 'peer:connect'; peer: ConnectedPeer }
  /** The peer told more about itself (agent, protocols, addresses). */
  | { type: 'peer:update'; peer: ConnectedPeer }
  | { type: 'peer:disconnect'; peerId: string }
  /** A peer was found at addresses that the configuration gave, or that it announced on the local network. */
  | { type: 'peer:discovery'; peerId: string; multiaddrs: string[]; source: AddressSource }
  /** A peer was not handed the message with this id and those after it, or may not have got them. */
  | { type: 'peer:behind'; peerId: string; since: string }
  /** A peer whose link has ended may not have got the message with this id and those after it, of these topics. */
  | { type: 'peer:left'; peerId: string; since: string; topics: string[] }
  /** There may be room for more for a peer that is behind. */
  | { type: 'peer:room'; peerId: string }
  | { type: 'topic:subscribe'; peerId: string; topic: string }
  | { type: 'topic:unsubscribe'; peerId: string; topic: string }
