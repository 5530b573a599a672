import type { ConnectedPeer } from '../engine/engine.ts'
import { noTraffic } from '../engine/peer-traffic.ts'
import type { Peer } from '../model/peer.ts'
import { foreignText, textProblem } from '../model/text.ts'
import type { PeerRecord, PeerSighting } from '../store/peer-store.ts'
import type { BridgedPath } from './bridged-paths.ts'

/** What peers say about themselves is truncated, so that a page of peers stays small. */
const maxAgentLength = 256
const maxProtocols = 100
const maxProtocolLength = 200
const maxAddresses = 16
const maxAddressLength = 1024

/**
 * The address with the peer id at its end, so that a dial accepts no other peer there. Empty if it cannot be an address
 * of this peer. An address that ends in a circuit names the relay's peer id before that.
 */
export function withPeerId(multiaddr: string, peerId: string): string[] {
  if (textProblem(multiaddr) !== undefined) return []
  const named = multiaddr.endsWith(`/p2p/${peerId}`)
  if (!named && multiaddr.includes('/p2p/') && !multiaddr.endsWith('/p2p-circuit')) return []
  const whole = named ? multiaddr : `${multiaddr}/p2p/${peerId}`
  return whole.length > maxAddressLength ? [] : [whole]
}

/** The sighting of a connected peer. */
export function sightingOf(peer: ConnectedPeer, seenAt: number): PeerSighting {
  return {
    peerId: peer.peerId,
    multiaddrs: addresses(peer.multiaddrs, peer.peerId),
    source: 'learnt',
    seenAt,
    ...(peer.agent === null ? {} : { agent: foreignText(peer.agent, maxAgentLength) }),
    ...(peer.protocols.length === 0 ? {} : { protocols: protocolsOf(peer.protocols) }),
  }
}

/** The peer as clients see it: the engine's current data first, then what is stored. */
export function peerView(
  peerId: string,
  record: PeerRecord | undefined,
  connected: ConnectedPeer | undefined,
  topics: string[] | undefined,
  here: { now: number; gateway: string; throughBridge(peerId: string): BridgedPath | undefined },
): Peer {
  const { now, gateway } = here
  const bridged = connected === undefined && record?.blocked !== true ? here.throughBridge(peerId) : undefined
  const path = connected?.path ?? (bridged && { by: 'bridge', ...bridged })
  const stored = record?.addresses.map(({ multiaddr }) => multiaddr) ?? []
  const lastSeen = connected === undefined ? (record?.lastSeen ?? now) : now
  return {
    peerId,
    multiaddrs: addresses([...(connected?.multiaddrs ?? []), ...stored], peerId),
    state: record?.blocked === true ? 'blocked' : connected === undefined ? 'known' : 'connected',
    networks: connected?.networks ?? [],
    direction: connected?.direction ?? null,
    path: path?.by ?? null,
    via: path?.via ?? null,
    beyond: bridged?.beyond ?? [],
    since: path === undefined ? null : new Date(path.since).toISOString(),
    agent: agentOf(connected?.agent ?? record?.agent ?? null),
    protocols: protocolsOf(connected?.protocols ?? record?.protocols ?? []),
    latencyMs: connected?.latencyMs ?? null,
    traffic: connected?.traffic ?? noTraffic,
    score: connected?.score ?? null,
    firstSeen: new Date(record?.firstSeen ?? now).toISOString(),
    lastSeen: new Date(lastSeen).toISOString(),
    topics: topics ?? [],
    label: record?.label ?? null,
    gateway,
  }
}

function addresses(multiaddrs: string[], peerId: string): string[] {
  const whole = multiaddrs.flatMap((multiaddr) => withPeerId(multiaddr, peerId))
  return [...new Set(whole)].slice(0, maxAddresses)
}

function agentOf(agent: string | null): string | null {
  return agent === null ? null : foreignText(agent, maxAgentLength)
}

function protocolsOf(protocols: string[]): string[] {
  return protocols.slice(0, maxProtocols).map((protocol) => foreignText(protocol, maxProtocolLength))
}
