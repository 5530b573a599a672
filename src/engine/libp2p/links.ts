import type { Connection, IdentifyResult } from '@libp2p/interface'
import { askerOf } from '../asker.ts'
import type { DialPolicy } from '../dial/policy.ts'
import type { ConnectedPeer } from '../engine.ts'
import { noTraffic, type PeerExchange } from '../peer-traffic.ts'
import { bestPath, type LinkPath, linkPathOf } from '../reach/link-path.ts'
import type { Node } from './node.ts'
import { tellerOf } from './teller-of.ts'

/** What connected peers say about themselves, beyond their connections. */
export interface Links {
  identified(result: IdentifyResult): void
  gone(peerId: string): void
  /** The agent of a peer; null until it has identified itself. */
  agentOf(peerId: string): string | null
  /** The connected peers, each listed once. */
  peers(node: Node): ConnectedPeer[]
  peer(node: Node, peerId: string): ConnectedPeer | undefined
}

interface Known {
  agent: string | null
  protocols: string[]
  listens: string[]
}

/** Limits on what is kept of a peer's identify message. */
const maxListens = 16
const maxProtocols = 100
const maxTextLength = 200

export function createLinks(components: {
  policy: Pick<DialPolicy, 'mayTell'>
  /** Undefined while the node is not running. */
  exchangeOf(peerId: string): PeerExchange | undefined
}): Links {
  const known = new Map<string, Known>()

  function knownOf(peerId: string): Known {
    return known.get(peerId) ?? { agent: null, protocols: [], listens: [] }
  }

  function view(peerId: string, connections: Connection[]): ConnectedPeer | undefined {
    const best = bestPath(connections.map((connection) => ({ connection, path: pathOf(connection) })))
    if (best === undefined) return undefined
    const { agent, protocols, listens } = knownOf(peerId)
    const reached = connections.filter(({ direction }) => direction === 'outbound').map(({ remoteAddr }) => remoteAddr.toString())
    return {
      peerId,
      host: askerOf(peerId, tellerOf(best.connection), { isConfigured: false }).host,
      networks: ['libp2p'],
      multiaddrs: [...new Set([...reached, ...listens])],
      direction: best.connection.direction,
      path: best.path,
      agent,
      protocols,
      latencyMs: best.connection.rtt ?? null,
      ...(components.exchangeOf(peerId) ?? { traffic: noTraffic, score: null }),
    }
  }

  return {
    identified({ peerId, agentVersion, protocols, listenAddrs, connection }) {
      const id = peerId.toString()
      known.set(id, {
        agent: agentVersion?.slice(0, maxTextLength) ?? null,
        protocols: protocols.slice(0, maxProtocols).map((protocol) => protocol.slice(0, maxTextLength)),
        listens: listenAddrs
          .slice(0, maxListens)
          .map((address) => address.toString())
          .filter((address) => components.policy.mayTell(address, tellerOf(connection))),
      })
    },
    gone(peerId) {
      known.delete(peerId)
    },
    agentOf: (peerId) => knownOf(peerId).agent,
    peers(node) {
      return node.getPeers().flatMap((id) => view(id.toString(), node.getConnections(id)) ?? [])
    },
    peer(node, peerId) {
      const id = node.getPeers().find((candidate) => candidate.toString() === peerId)
      return id === undefined ? undefined : view(peerId, node.getConnections(id))
    },
  }
}

/** Kept, since views are asked for often. */
const paths = new WeakMap<Connection, LinkPath>()

function pathOf(connection: Connection): LinkPath {
  const path = paths.get(connection) ?? linkPathOf(connection.remoteAddr, connection.timeline.open)
  paths.set(connection, path)
  return path
}
