/** Properties of a neighbour, by the implementation that it runs. */
export interface GossipTraits {
  takesBatches: boolean
  /**
   * Takes RPCs of 64 KiB, and counts up to 8 KiB of what follows with them, and 16 KiB of control and subscriptions in
   * one (rust-libp2p's gossipsub 0.50 by default). Beyond that it ends the stream.
   */
  measuresStrictly: boolean
  /** May ignore a message that comes after a later one of its author. */
  mayIgnoreLate: boolean
  /**
   * Writes to disk for each message. Of the messages that wait meanwhile, it takes the newest first and ignores the
   * others.
   */
  writesEach: boolean
  /** Reads this node's log for the messages that it missed. */
  catchesUp: boolean
  /** Opens its stream on another connection some seconds after the one before has ended. */
  reopensSlowly: boolean
}

/** Agent prefixes of the implementations that handle every message of an RPC, whatever their number. */
const batchTakers = ['peergate/', 'rust-libp2p/', 'js-libp2p/']

/** Agent prefixes of the implementations that take what an RPC of 1 MiB holds. */
const generous = ['peergate/', 'js-libp2p/', 'go-libp2p/', 'kubo/', 'py-libp2p/']

/**
 * The traits of a peer by its agent. A peer with an unknown agent is treated like go-libp2p (no batches, no catching up)
 * that measures like rust-libp2p.
 */
export function gossipTraits(agent: string | null): GossipTraits {
  const takesBatches = batchTakers.some((name) => agent?.startsWith(name))
  return {
    takesBatches,
    measuresStrictly: !generous.some((name) => agent?.startsWith(name)),
    mayIgnoreLate: agent !== null && !takesBatches,
    writesEach: agent?.startsWith('kubo/') === true,
    catchesUp: agent?.startsWith('peergate/') === true,
    reopensSlowly: agent?.startsWith('js-libp2p/') === true,
  }
}
