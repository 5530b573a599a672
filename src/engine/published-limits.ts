import type { Limits } from '../limits.ts'
import type { EngineKind } from './engine.ts'

/**
 * Overhead of a gossip RPC with one message, in bytes: lengths and tags (at most 17), author (38), sequence number (8),
 * longest topic (256) and signature (64), rounded up. An Ed25519 author needs no key: the peer id contains it.
 */
export const rpcOverheadBytes = 512

/**
 * The limits as clients see them. With libp2p, on a bridge too, a
 * published message must fit into an RPC that every peer takes. Messages
 * of other peers may have `maxMessageBytes`, as may direct messages and requests, which have their own protocols.
 */
export function publishedLimits(kind: EngineKind, limits: Limits): Limits {
  if (kind === 'custom' || kind === 'memory') return limits
  return { ...limits, maxMessageBytes: Math.min(limits.maxMessageBytes, limits.maxRpcBytes - rpcOverheadBytes) }
}
