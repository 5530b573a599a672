import type { Limits } from '../limits.ts'
import type { EngineKind } from './engine.ts'

/**
 * Bytes of an RPC of gossip beside the data of its only message: lengths and tags (17 at most), the author (38), the sequence number (8), the
 * longest topic (256) and the signature (64), rounded up. The key is not among them: it is in the id of an Ed25519 author.
 */
export const rpcOverheadBytes = 512

/**
 * The limits as clients are told them. With libp2p, what is published must fit into an RPC that every peer takes; what other peers have published
 * may be as large as `maxMessageBytes`, and so may direct messages and requests, which have protocols of their own.
 */
export function publishedLimits(kind: EngineKind, limits: Limits): Limits {
  if (kind !== 'libp2p') return limits
  return { ...limits, maxMessageBytes: Math.min(limits.maxMessageBytes, limits.maxRpcBytes - rpcOverheadBytes) }
}
