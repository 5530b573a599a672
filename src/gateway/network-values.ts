import type { ConnectedPeer, P2PEngine } from '../engine/engine.ts'
import type { Ingest } from '../log/ingest.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { NetworkValues } from '../telemetry/network-metrics.ts'
import { watchPaths } from './path-times.ts'

interface Sources {
  engine: Pick<P2PEngine, 'networks' | 'bridge' | 'limitsReached'>
  ingest: Pick<Ingest, 'networks'>
}

/** Has the metrics read what the engine and each of its networks count. */
export function watchNetworks(metrics: Metrics, sources: Sources): void {
  metrics.watchLimits(() => sources.engine.limitsReached)
  metrics.watchNetworks(readNetworks(sources))
  watchPaths(sources.engine.networks, { metrics })
}

function readNetworks({ engine, ingest }: Sources): () => Promise<NetworkValues[]> {
  return async () => {
    const values = ingest.networks.map(async ({ network, waiting, bridged, givenUp }) => {
      const linked = engine.networks.find(({ kind }) => kind === network)
      if (linked === undefined) return []
      return {
        network,
        unsentTopics: waiting,
        bridgedMessages: bridged,
        bridgedTopics: engine.bridge?.topics(network).length ?? 0,
        givenUp,
        links: countLinks(await linked.peers()),
        ...linked.reachCounts,
      }
    })
    return (await Promise.all(values)).flat()
  }
}

function countLinks(peers: ConnectedPeer[]): NetworkValues['links'] {
  const counts = { tcp: 0, websocket: 0, quic: 0, webrtc: 0, relay: 0 }
  for (const { path } of peers) counts[path.by]++
  return counts
}
