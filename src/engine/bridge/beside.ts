import type { ConnectedPeer, P2PEngine } from '../engine.ts'

/**
 * The linked peers of networks that a linked peer is not in: those to which a bridge takes what that peer asks. Peers of
 * one network link to each other, through a relay if need be.
 */
export async function peersBeside(engine: Pick<P2PEngine, 'peers'>, from: string): Promise<ConnectedPeer[]> {
  const linked = await engine.peers()
  const asker = linked.find(({ peerId }) => peerId === from)
  if (asker === undefined) return []
  return linked.filter(({ networks }) => !networks.some((network) => asker.networks.includes(network)))
}
