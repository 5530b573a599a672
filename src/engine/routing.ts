import type { SignalOptions } from './signal-options.ts'

/**
 * The DHT as an engine takes part in it: who a peer is reached at, who has what, and small values under keys that prove them. Whole on
 * every engine but for the namespaces of values (`/ipns` and `/pk` are libp2p's). Everything waits for the network at most until the
 * signal fires, or for the engine's own deadline of a lookup.
 * Each method throws DhtDisabled when the engine has no DHT (PEERGATE_DHT=false), and DhtUnavailable when it is not running, or knows no
 * peer to ask.
 */
export interface Routing {
  /**
   * Where a peer can be dialled: what a link to it says, else what a lookup finds; each address ends in `/p2p/<peerId>`.
   * @throws PeerNotFound when nobody who was asked knows it
   */
  findPeer(peerId: string, options: SignalOptions): Promise<FoundPeer>
  /** The peers whose ids are closest to the key (SHA-256 of its bytes, XOR), the closest first, as the lookup ends; at most k = 20. */
  closestPeers(key: Uint8Array, options: SignalOptions): AsyncIterable<FoundPeer>

  /**
   * Says to the network that this node has the content that a CID names, now and again before it is forgotten, through stops and
   * restarts, until `stopProviding`. Resolves when the closest peers have been told.
   * @throws DhtRefused when none of them has taken note of it; it is told again all the same
   */
  provide(cid: string, options: SignalOptions): Promise<void>
  /** Says it no more; what others keep runs out in a day or two. Idempotent. */
  stopProviding(cid: string): Promise<void>
  /** Peers that say they have the content, each once, as they are found. */
  findProviders(cid: string, options: SignalOptions): AsyncIterable<FoundPeer>

  /**
   * Stores a record that proves its key at the closest peers, and here.
   * @throws DhtNamespaceUnsupported, InvalidRecord, RecordOutdated (a newer one is there), DhtRefused (no peer has taken it)
   */
  put(key: string, record: Uint8Array, options: SignalOptions): Promise<void>
  /**
   * Signs the value as the newest of this node under a name, `/peergate/own/<this peer id>/<name>`, and puts it.
   * Answers the record.
   */
  putOwn(name: string, value: Uint8Array, options: SignalOptions): Promise<Uint8Array>
  /**
   * The best record under the key of those found, verified.
   * @throws RecordNotFound, DhtNamespaceUnsupported, InvalidRecord (the key itself is malformed)
   */
  get(key: string, options: SignalOptions): Promise<Uint8Array>
}

export interface FoundPeer {
  peerId: string
  /** Each ends in `/p2p/<peerId>`. May be empty. Not verified: who answers there is proven by the dial. */
  multiaddrs: string[]
}
