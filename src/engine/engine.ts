import type { AddressSource } from '../model/peer.ts'
import type { SignedMessage } from '../model/signed-message.ts'
import type { Verdict } from '../model/verdict.ts'
import type { IdentityConflict } from './identity-conflicts.ts'
import type { LimitsReached } from './limits-reached.ts'
import type { PeerExchange } from './peer-traffic.ts'
import type { LinkPath } from './reach/link-path.ts'
import type { ReachCounts } from './reach/reach-counts.ts'
import type { Reachability } from './reach/reachability.ts'
import type { Routing } from './routing.ts'
import type { SignalOptions } from './signal-options.ts'
import type { Stragglers } from './stragglers.ts'

/**
 * The node: identity, links to other peers, publish and subscribe, and the DHT. It keeps no log of messages, and knows
 * no client. Every engine implements the whole contract; test/compliance/engine.ts tests each sentence of it.
 *
 * Every method is async and takes plain values, so that an engine can run in a worker thread. A method that waits takes
 * an AbortSignal, and rejects with the signal's reason when it fires. Before `start` and after `stop` there are no
 * links, and `send` reaches no peer. The engine keeps subscriptions from `subscribe` to `unsubscribe`, through stops
 * and starts.
 */
export interface P2PEngine extends AsyncDisposable {
  readonly kind: EngineKind
  /** This node's peer id, derived from its Ed25519 key: the same on every engine. */
  readonly peerId: string
  /** What it can do. Differences between engines are here, and nowhere else. Only `relay` changes while it runs. */
  readonly capabilities: EngineCapabilities
  /** The networks that this node is part of, each to be addressed by itself: one, or both of a bridge. */
  readonly networks: readonly Network[]
  /** Only a bridge has this. Its user hands the messages of each network to the other. */
  readonly bridge?: Bridge

  /** Listens, then looks for peers. A failed start leaves nothing open. Starting twice is one start. */
  start(): Promise<void>
  /** Closes every link and socket. Idempotent; the engine may be started again. */
  stop(): Promise<void>

  /** How other peers can reach this node, as far as it knows. */
  reachability(): Promise<Reachability>

  /** Addresses others can dial, each ending in `/p2p/<peerId>`. Empty while stopped. */
  multiaddrs(): Promise<string[]>

  /**
   * Opens a link, or returns the existing one. An address that ends in `/p2p/<peerId>` accepts only that peer. Resolves
   * once the peer has kept the link open and identified itself, or is late to identify itself.
   * @throws DialForbidden when the dial policy refuses every address that the multiaddr resolves to
   * @throws PeerBlocked when the peer is blocked
   * @throws AddressUnsupported when the engine has no transport for the address
   * @throws SelfDial when the address names this node, or this node answers
   * @throws DialFailed when no peer or another peer answers, when the peer refuses the link, or refused one recently;
   * `errors` gives each address that was tried and the reason
   */
  dial(multiaddr: string, options: DialOptions): Promise<DialledPeer>
  /** Closes every link to the peer. A no-op without links. */
  hangUp(peerId: string): Promise<void>
  /**
   * The round trip to a connected peer, in milliseconds. Does not dial.
   * @throws PeerNotConnected
   * @throws PeerUnreachable when the peer does not answer in time
   */
  ping(peerId: string, options: SignalOptions): Promise<number>
  /** The connected peers, each listed once whatever the number of its links. */
  peers(): Promise<ConnectedPeer[]>
  /** Peer ids, possibly this node's own, that two running nodes are known to use; the latest last. */
  conflicts(): Promise<IdentityConflict[]>
  /**
   * Closes the links to the peer and refuses new ones in both directions until `unblock`, or until the engine is
   * discarded.
   */
  block(peerId: string): Promise<void>
  unblock(peerId: string): Promise<void>

  /** Receives the topic's messages from now on. Idempotent. */
  subscribe(topic: string): Promise<void>
  /** Stops receiving the topic's messages. Idempotent. */
  unsubscribe(topic: string): Promise<void>
  topics(): Promise<string[]>
  /** Peer ids of the connected peers known to be subscribed to the topic. */
  subscribers(topic: string): Promise<string[]>

  /**
   * Gives each message the next sequence number, higher than every earlier one of this key, and signs it. Sends
   * nothing.
   */
  sign(messages: OwnMessage[]): Promise<SignedMessage[]>
  /** Signs and seals a message to one peer (model/direct-message.ts). Returns its envelope. */
  signDirect(message: { to: string; data: Uint8Array }): Promise<Uint8Array>
  /**
   * Hands signed messages to the network, in the given order, whether or not it is subscribed to their topics: its own,
   * and those of others, which are not handed to their author. Returns for each message the number of connected peers
   * that it was handed to, 0 when there was none. This node itself never counts. Sending a message again is harmless:
   * receivers know its id.
   */
  send(messages: SignedMessage[]): Promise<number[]>
  /** Peers that were not handed every message. An engine without this property handles them itself. */
  readonly stragglers?: Stragglers

  /**
   * Sends a request to a connected peer on its own stream, and returns the whole answer.
   * @throws PeerNotConnected
   * @throws ProtocolUnsupported when the peer does not speak the protocol
   * @throws PeerUnreachable when no complete answer arrives in time, or it exceeds `maxAnswerBytes`
   */
  request(peerId: string, protocol: string, body: Uint8Array, options: RequestOptions): Promise<Uint8Array>
  /**
   * Answers requests on a protocol until `unhandle`, through stops and starts. A request gets no answer when its
   * handler rejects, its body exceeds the limit, or the limit on concurrent requests or their bytes is reached. A
   * request counts from the moment its body is complete until its handler settles, even if the peer no longer waits. A
   * new handler for a protocol replaces the old one.
   */
  handle(protocol: string, handler: RequestHandler, options: HandleOptions): Promise<void>
  /** Idempotent. */
  unhandle(protocol: string): Promise<void>

  /** Sets the receiver of other peers' messages. Called once, before `start`. */
  receive(inbound: Inbound): void

  /**
   * Number of network messages that were ignored because too many waited for a verdict, or because the verdict came too
   * late.
   */
  readonly dropped: number

  /** How often the engine refused or cut something because of a limit, since it was created. */
  readonly limitsReached: LimitsReached['counts']

  /** The DHT. */
  readonly routing: Routing

  /** Notices of events. The engine does not wait for the listener. Returns a function that removes the listener. */
  listen(listener: (event: EngineEvent) => void): () => void
}

/** One network of a node. Peers, subscriptions, notices and the DHT are those of this network alone. */
export type Network = Pick<
  P2PEngine,
  'send' | 'subscribers' | 'peers' | 'multiaddrs' | 'reachability' | 'listen' | 'stragglers' | 'routing'
> & {
  readonly kind: NetworkKind
  /** What it did so that peers behind routers are reached. */
  readonly reachCounts: ReachCounts
}

export type NetworkKind = 'custom' | 'libp2p' | 'memory'

export interface Bridge {
  /** Whether messages of this topic may be handed from one network to another. */
  mayCarry(topic: string): boolean
  /**
   * Whether messages of this topic that another network brought are handed to this one: the topic is one of those that
   * it may carry, and the network has subscribers, had some lately, or may have had before the bridge started.
   */
  carries(topic: string, network: NetworkKind): boolean
  /** Topics that it is subscribed to in a network, by default in any, for the subscribers of the other. */
  topics(network?: NetworkKind): string[]
  /** Whether a topic is one of those in this network. */
  subscribes(topic: string, network: NetworkKind): boolean
}

export interface EngineCapabilities {
  /** Transports that it dials and listens on, by their multiaddr protocol. */
  transports: string[]
  /** Namespaces of the keys that `routing` stores, such as `/ipns`; none without a DHT. */
  dhtNamespaces: string[]
  /** Whether it finds peers on the local network by mDNS. */
  mdns: boolean
  /** Whether it relays circuits for other peers. */
  relay: boolean
  /** Whether only nodes with the same private network key can connect to it. */
  privateNetwork: boolean
}

/** `both` is the custom and the libp2p engine under one key: a bridge. */
export type EngineKind = NetworkKind | 'both'

export interface DialOptions extends SignalOptions {
  source: AddressSource
  /** A client asks for this dial, so a recent refusal by the peer does not count. Default: whether the source is `rest`. */
  isAsked?: boolean | undefined
  /** The peer told this address on a link before this node restarted, and the policy judged it then. */
  isRemembered?: boolean | undefined
  /** The client that asks for this dial (`clientKey`). */
  asker?: string | undefined
}

export interface RequestOptions extends SignalOptions {
  maxAnswerBytes: number
  /**
   * Whether a linked bridge may be asked when the peer is not linked (`withBridges`). The bridge can neither read nor
   * change request and answer.
   */
  bridged?: boolean
}

/**
 * Answers a peer's request. The signal fires when its time is over or the peer cancels it. `via` is the linked bridge
 * that has brought it; it was then signed by `from`.
 */
export type RequestHandler = (request: { from: string; body: Uint8Array; signal: AbortSignal; via?: string }) => Promise<Uint8Array>

export interface HandleOptions {
  maxRequestBytes: number
  /**
   * Maximum concurrent requests of one peer while no other peer has any. The peers of one address share a third more,
   * and all addresses a third more than that. While others have requests, each gets a quarter.
   */
  maxConcurrent: number
  /** `maxConcurrent`, in bytes of bodies. Default: unlimited. */
  maxConcurrentBytes?: number
  /** Whether the peer's requests are accepted; called before the body arrives. Default: all peers are admitted. */
  admits?(from: string): boolean
  /**
   * Whether requests that bridges bring are answered too (`withBridges`). They have places of their own, as many again,
   * in which all authors behind one bridge count as the peers of one address.
   */
  bridged?: boolean
}

export interface OwnMessage {
  topic: string
  data: Uint8Array
}

/**
 * The way in for messages of other peers. The engine has verified that the author signed each one. This node's own
 * messages never come back this way.
 */
export interface Inbound {
  /**
   * Called once for each new message of a subscribed topic, before it is forwarded. `accept` takes the message in and
   * forwards it; `ignore` drops it; `reject` drops it and counts against the peer that sent it. An error counts as
   * `ignore`. The engine bounds the bytes of messages that wait for a verdict, per topic and in total, and ignores
   * messages beyond the bound. A bridge names the network that the message came from.
   */
  onMessage(message: SignedMessage, network?: NetworkKind): Promise<Verdict>
  /** Whether a message was let in and waits for earlier ones of its author, or to be stored: its verdict comes later. */
  isHeld?(message: SignedMessage): boolean
  /**
   * Returns undefined while there is room for more messages, and for those that this peer signs; otherwise a promise
   * that resolves when this may have changed. Until then, for a limited time, the engine reads no gossip from the peer,
   * so that a fast sender is slowed down and loses nothing. Without this method there is always room.
   */
  room?(peerId: string): Promise<void> | undefined
}

export interface ConnectedPeer extends PeerExchange {
  peerId: string
  /** Key of its remote address (`Asker`), the same for all peers at that address; undefined without an address. */
  host?: string
  /** The networks of the links to it. */
  networks: NetworkKind[]
  /** The addresses at which it was dialled, then those that it says it listens on; none of a link that it has dialled. */
  multiaddrs: string[]
  direction: 'inbound' | 'outbound'
  /** Of several links, that of a direct one. */
  path: LinkPath
  /** Null until the peer has identified itself. */
  agent: string | null
  protocols: string[]
  latencyMs: number | null
}

export interface DialledPeer extends ConnectedPeer {
  /**
   * Whether this dial, or the one that made the link, found the peer at the address; false when the link leads to
   * another address.
   */
  isThere: boolean
}

export type EngineEvent =
  | { type: 'peer:connect'; peer: ConnectedPeer }
  /** The peer has told its agent, protocols or addresses. */
  | { type: 'peer:update'; peer: ConnectedPeer }
  | { type: 'peer:disconnect'; peerId: string }
  /** A peer was found at an address from the configuration, or announced on the local network. */
  | { type: 'peer:discovery'; peerId: string; multiaddrs: string[]; source: AddressSource }
  /** A peer was not handed, or may not have received, the message with this id and those after it. */
  | { type: 'peer:behind'; peerId: string; since: string }
  /** A linked peer is handed one message per `pauseMs`, and may ignore those of other nodes that come after later ones. */
  | { type: 'peer:begins'; peerId: string; pauseMs: number }
  /** A peer whose link has ended may not have received the message with this id and later ones of these topics. */
  | { type: 'peer:left'; peerId: string; since: string; topics: string[] }
  /** A peer that is behind may have room again. */
  | { type: 'peer:room'; peerId: string }
  /**
   * A peer has announced these messages of subscribed topics, which have not come. The engine asks for them. It need not
   * tell of other peers that announce them too.
   */
  | { type: 'message:announced'; peerId: string; ids: string[] }
  /** Neither this peer nor others that were asked have sent these messages that it had announced; it is not asked again. */
  | { type: 'message:missed'; peerId: string; ids: string[] }
  | { type: 'topic:subscribe'; peerId: string; topic: string }
  | { type: 'topic:unsubscribe'; peerId: string; topic: string }
  /** A peer that is not linked has answered a request through a linked bridge, and through those beyond it, if any. */
  | { type: 'peer:bridged'; peerId: string; via: string; beyond: string[] }
  /** A bridge has subscribed to a topic in one network for the subscribers of the other. */
  | { type: 'topic:bridged'; topic: string }
