import type { SignalOptions } from './signal-options.ts'

/**
 * The DHT as an engine offers it: addresses of peers, providers of content, and small records under keys that they
 * prove. Every engine implements all of it, except that the namespaces `/ipns` and `/pk` are libp2p's. Each method
 * waits for the network until the signal fires or the engine's own lookup deadline passes.
 *
 * Each method throws DhtDisabled when the engine has no DHT (PEERGATE_DHT=false), and DhtUnavailable when it is not
 * running or knows no peer to query.
 */
export interface Routing {
  /**
   * Addresses at which a peer can be dialled, each ending in `/p2p/<peerId>`: those known from a link, otherwise those
   * that a lookup finds.
   * @throws PeerNotFound when no queried peer knows it
   */
  findPeer(peerId: string, options: SignalOptions): Promise<FoundPeer>
  /**
   * The peers whose ids are closest to the key (SHA-256 of its bytes, XOR distance) at the end of the lookup, the
   * closest first; at most k = 20.
   */
  closestPeers(key: Uint8Array, options: SignalOptions): AsyncIterable<FoundPeer>

  /**
   * Announces that this node provides the content of a CID, and repeats the announcement before it expires, through
   * stops and restarts, until `stopProviding`. Resolves once the closest peers were told.
   * @throws DhtRefused when none of them accepted it; the announcement is still repeated
   */
  provide(cid: string, options: SignalOptions): Promise<void>
  /** Ends the announcements. Provider records at other peers expire within a day or two. Idempotent. */
  stopProviding(cid: string): Promise<void>
  /** Providers of the content, each listed once, as they are found. */
  findProviders(cid: string, options: SignalOptions): AsyncIterable<FoundPeer>

  /**
   * Stores a record that proves its key at the closest peers and locally.
   * @throws DhtNamespaceUnsupported, InvalidRecord, RecordOutdated (a newer record exists), DhtRefused (no peer
   * accepted it)
   */
  put(key: string, record: Uint8Array, options: SignalOptions): Promise<void>
  /**
   * Signs the value as this node's newest under a name, `/peergate/own/<this peer id>/<name>`, and stores the record.
   * Returns the record.
   */
  putOwn(name: string, value: Uint8Array, options: SignalOptions): Promise<Uint8Array>
  /**
   * The best record found under the key, verified.
   * @throws RecordNotFound, DhtNamespaceUnsupported, InvalidRecord (the key itself is malformed)
   */
  get(key: string, options: SignalOptions): Promise<Uint8Array>
}

export interface FoundPeer {
  peerId: string
  /** Each ends in `/p2p/<peerId>`. May be empty. Unverified: only a dial proves which peer answers there. */
  multiaddrs: string[]
}
