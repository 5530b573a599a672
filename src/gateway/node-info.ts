import type { Network, P2PEngine } from '../engine/engine.ts'
import type { Limits } from '../limits.ts'
import { formatCursor } from '../model/cursor.ts'
import type { NodeView } from '../model/node.ts'
import { encodingSchema } from '../model/payload.ts'
import type { LogStore } from '../store/log-store.ts'
import { subprotocols } from '../stream/codec.ts'
import type { Stream } from '../stream/stream.ts'
import { version } from '../version.ts'

export interface NodeInfoInit {
  limits: Limits
  catchUp?: boolean
  http: { streamCompression?: boolean | undefined }
  access?: { jwt?: unknown }
}

export interface NodeInfoComponents {
  engine: Pick<
    P2PEngine,
    'kind' | 'peerId' | 'capabilities' | 'networks' | 'multiaddrs' | 'reachability' | 'conflicts' | 'peers' | 'topics'
  >
  log: Pick<LogStore, 'position'>
  stream: Pick<Stream, 'connections'>
  /** Milliseconds since 1970. */
  now?: () => number
}

/** Describes this gateway for clients. */
export function createNodeInfo(init: NodeInfoInit, components: NodeInfoComponents): () => Promise<NodeView> {
  const { engine, log, stream, now = Date.now } = components
  const begun = performance.now()
  const ownCapabilities = {
    encodings: encodingSchema.options,
    subprotocols,
    catchUp: init.catchUp !== false,
    streamCompression: init.http.streamCompression === true,
    identityProvider: init.access?.jwt !== undefined,
  }

  return async () => {
    const [multiaddrs, reachability, networks, peers, topics, { epoch, earliest, tip }] = await Promise.all([
      engine.multiaddrs(),
      engine.reachability(),
      describeNetworks(engine),
      engine.peers(),
      engine.topics(),
      log.position(),
    ])
    const uptimeMs = Math.round(performance.now() - begun)
    return {
      peerId: engine.peerId,
      engine: engine.kind,
      version,
      multiaddrs,
      reachability,
      ...networks,
      // A node may become a relay while it runs.
      capabilities: { ...engine.capabilities, ...ownCapabilities },
      startedAt: new Date(now() - uptimeMs).toISOString(),
      uptimeMs,
      counts: { peers: peers.length, topics: topics.length, streams: stream.connections },
      log: { epoch, earliest: formatCursor(epoch, earliest), latest: formatCursor(epoch, tip) },
      limits: init.limits,
    }
  }
}

/** The networks that an engine is part of, and the peer ids that two nodes there use. */
export async function describeNetworks(
  engine: Pick<P2PEngine, 'networks' | 'conflicts'>,
): Promise<Pick<NodeView, 'networks' | 'identityConflicts'>> {
  const [networks, conflicts] = await Promise.all([Promise.all(engine.networks.map(networkView)), engine.conflicts()])
  return {
    networks,
    identityConflicts: conflicts.map(({ lastSeenAt, ...seen }) => ({ ...seen, lastSeen: new Date(lastSeenAt).toISOString() })),
  }
}

async function networkView(network: Network): Promise<NodeView['networks'][number]> {
  const [multiaddrs, reachability, peers] = await Promise.all([network.multiaddrs(), network.reachability(), network.peers()])
  return { engine: network.kind, multiaddrs, reachability, peers: peers.length }
}
