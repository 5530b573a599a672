/** Properties of a neighbour, by the implementation that it runs. */
export interface GossipTraits {
  takesBatches: boolean
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

/**
 * The traits of a peer by its agent. A peer with an unknown agent is treated like go-libp2p: no batches, no catching
 * up.
 */
export function gossipTraits(agent: string | null): GossipTraits {
  const takesBatches = batchTakers.some((name) => agent?.startsWith(name))
  return {
    takesBatches,
    mayIgnoreLate: agent !== null && !takesBatches,
    writesEach: agent?.startsWith('kubo/') === true,
    catchesUp: agent?.startsWith('peergate/') === true,
    reopensSlowly: agent?.startsWith('js-libp2p/') === true,
  }
}
