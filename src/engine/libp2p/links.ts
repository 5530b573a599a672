import type { Connection, IdentifyResult } from '@libp2p/interface'
import type { ConnectedPeer } from '../engine.ts'
import type { Node } from './node.ts'

/** What is known of the connected peers beside their connections. */
export interface Links {
  identified(result: IdentifyResult): void
  measured(peerId: string, latencyMs: number): void
  gone(peerId: string): void
  /** The connected peers, each once. */
  peers(node: Node): ConnectedPeer[]
  peer(node: Node, peerId: string): ConnectedPeer | undefined
}

interface Known {
  agent: string | null
  protocols: string[]
  listens: string[]
  latencyMs: number | null
}

/** Peers may tell as much as identify lets them; this much of it is kept. */
const maxListens = 16
const maxProtocols = 100
const maxTextLength = 200

export function createLinks(): Links {
  const known = new Map<string, Known>()

  function knownOf(peerId: string): Known {
    return known.get(peerId) ?? { agent: null, protocols: [], listens: [], latencyMs: null }
  }

  function view(peerId: string, connections: Connection[]): ConnectedPeer | undefined {
    const [first] = connections
    if (first === undefined) return undefined
    const { agent, protocols, listens, latencyMs } = knownOf(peerId)
    const reached = connections.map(({ remoteAddr }) => remoteAddr.toString())
    return {
      peerId,
      multiaddrs: [...new Set([...reached, ...listens])],
      direction: first.direction,
      relayed: connections.every(({ limits }) => limits !== undefined),
      agent,
      protocols,
      latencyMs,
    }
  }

  return {
    identified({ peerId, agentVersion, protocols, listenAddrs }) {
      const id = peerId.toString()
      known.set(id, {
        ...knownOf(id),
        agent: agentVersion?.slice(0, maxTextLength) ?? null,
        protocols: protocols.slice(0, maxProtocols).map((protocol) => protocol.slice(0, maxTextLength)),
        listens: listenAddrs.slice(0, maxListens).map((address) => address.toString()),
      })
    },
    measured(peerId, latencyMs) {
      known.set(peerId, { ...knownOf(peerId), latencyMs })
    },
    gone(peerId) {
      known.delete(peerId)
    },
    peers(node) {
      return node.getPeers().flatMap((id) => view(id.toString(), node.getConnections(id)) ?? [])
    },
    peer(node, peerId) {
      const id = node.getPeers().find((candidate) => candidate.toString() === peerId)
      return id === undefined ? undefined : view(peerId, node.getConnections(id))
    },
  }
}
