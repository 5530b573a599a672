import type { EngineCapabilities } from '../engine.ts'
import type { EngineSettings } from '../settings.ts'
import type { Namespaces } from './dht/dht-namespaces.ts'
import type { RelayServer } from './transport/relay-server.ts'

/** What a libp2p node can do with its settings. */
export function capabilitiesOf(
  { privateNetworkKey, dht, mdns, webRtc }: Pick<EngineSettings, 'privateNetworkKey' | 'mdns' | 'webRtc'> & { dht?: string | undefined },
  { namespaces, relay }: { namespaces: Pick<Namespaces, 'names'>; relay: Pick<RelayServer, 'isOn'> },
): EngineCapabilities {
  return {
    transports: [
      'tcp',
      'ws',
      'wss',
      ...(privateNetworkKey === undefined ? ['quic-v1'] : []),
      'p2p-circuit',
      ...(webRtc === undefined ? [] : ['webrtc']),
    ],
    dhtNamespaces: dht === undefined ? [] : namespaces.names,
    mdns,
    get relay() {
      return relay.isOn
    },
    privateNetwork: privateNetworkKey !== undefined,
  }
}
