import type { Logger } from 'pino'
import type { Identity } from '../identity/identity.ts'
import type { Limits } from '../limits.ts'
import type { RecordStore } from '../store/record-store.ts'
import { version } from '../version.ts'
import type { P2PEngine } from './engine.ts'
import type { DhtMode, EngineSettings } from './settings.ts'

/**
 * Creates the engine that the settings name, after `engineSettingsProblems` has found no problem. The other engine is
 * not loaded: its libraries would take a good part of the start time.
 */
export async function createEngine(
  init: EngineSettings & { limits: Limits },
  /** `age`: age time (src/clock), which dates the stored DHT records. */
  components: { identity: Identity; records: RecordStore; logger: Logger; age?: () => number },
): Promise<P2PEngine> {
  switch (init.kind) {
    case 'libp2p': {
      const { createLibp2pEngine } = await import('./libp2p/libp2p-engine.ts')
      return createLibp2pEngine({ ...init, dht: dhtMode(init), agent: `peergate/${version}` }, components)
    }
    case 'custom': {
      const { createCustomEngine } = await import('./custom/custom-engine.ts')
      return createCustomEngine({ ...init, dht: init.dht !== 'false', agent: `peergate/${version}` }, components)
    }
    default:
      return init.kind satisfies never
  }
}

function dhtMode({ dht, privateNetworkKey }: EngineSettings): DhtMode | undefined {
  if (dht === 'false') return undefined
  if (dht !== 'true') return dht
  return privateNetworkKey === undefined ? 'lan' : 'private'
}
