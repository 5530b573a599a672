import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import type { LinkPathName } from '../../model/peer.ts'
import { isCircuitAddress } from '../dial/circuit-address.ts'

/** The way that the packets of a link take. */
export interface LinkPath {
  by: LinkPathName
  /** The relay's peer id, if it is known; null for a direct link. */
  via: string | null
  /** When this node began to use the path, in milliseconds since the epoch. */
  since: number
}

/** The path to the remote end of a link. */
export function linkPathOf(remote: Multiaddr | string, since: number): LinkPath {
  const address = typeof remote === 'string' ? multiaddr(remote) : remote
  const names = new Set(address.getComponents().map(({ name }) => name))
  // A relay in such an address has carried the signals only.
  if (names.has('webrtc')) return { by: 'webrtc', via: null, since }
  if (isCircuitAddress(address)) return { by: 'relay', via: relayIn(address), since }
  if (names.has('quic-v1') || names.has('quic')) return { by: 'quic', via: null, since }
  return { by: names.has('ws') || names.has('wss') ? 'websocket' : 'tcp', via: null, since }
}

export function isDirect({ by }: Pick<LinkPath, 'by'>): boolean {
  return by !== 'relay'
}

/** The path that requests take when there are several: a direct one, else the oldest. */
export function bestPath<T extends { path: LinkPath }>(all: readonly T[]): T | undefined {
  return all.toSorted((one, other) => Number(isDirect(other.path)) - Number(isDirect(one.path)) || one.path.since - other.path.since)[0]
}

/** The peer id before `/p2p-circuit`. */
function relayIn(address: Multiaddr): string | null {
  const components = address.getComponents()
  const circuit = components.findLastIndex(({ name }) => name === 'p2p-circuit')
  return components.slice(0, circuit).findLast(({ name }) => name === 'p2p')?.value ?? null
}
