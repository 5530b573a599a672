import type { Logger } from 'pino'
import type { Identity } from '../identity/identity.ts'
import type { Limits } from '../limits.ts'
import { StartRefused } from '../start-refused.ts'
import type { RecordStore } from '../store/store.ts'
import { version } from '../version.ts'
import type { P2PEngine } from './engine.ts'
import { createLibp2pEngine } from './libp2p/libp2p-engine.ts'
import type { EngineSettings } from './settings.ts'

/** The flag has asked for an engine that this version does not have. */
export class EngineUnavailable extends StartRefused {
  override readonly name = 'EngineUnavailable'
}

/** The engine that the settings ask for; `engineSettingsProblems` has found nothing wrong with them. @throws EngineUnavailable */
export function createEngine(
  init: EngineSettings & { limits: Limits },
  components: { identity: Identity; records: RecordStore; log: Logger },
): P2PEngine {
  switch (init.kind) {
    case 'libp2p':
      return createLibp2pEngine({ ...init, agent: `peergate/${version}` }, components)
    case 'custom':
      throw new EngineUnavailable('The custom engine is not there yet; set LIBP2P_ENABLED=true.')
    default:
      return init.kind satisfies never
  }
}
