/** How other peers can reach a node. */
export interface Reachability {
  /**
   * `direct`: a peer has dialled back. `hidden`: the dial-backs failed, or the node listens on no address; it uses
   * relays.
   */
  state: 'unknown' | 'direct' | 'hidden'
  /** Addresses of this node, without peer id, that peers have recently dialled back. */
  confirmed: ConfirmedAddress[]
  /** IP addresses at which peers see this node. */
  observed: string[]
  /** Relays that carry circuits to this node, by peer id. */
  relays: string[]
}

export interface ConfirmedAddress {
  multiaddr: string
  /** Number of peers that reached it. */
  peers: number
}
