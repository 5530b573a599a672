import type { Multiaddr } from '@multiformats/multiaddr'
import type { Logger } from 'pino'
import type { Identity } from '../identity/identity.ts'
import { engineLimits, type Limits } from '../limits.ts'
import { parseAddress } from '../model/peer.ts'
import { matchesTopic, topicFilter } from '../model/topic.ts'
import type { RecordStore } from '../store/record-store.ts'
import { version } from '../version.ts'
import { addressProblem as customAddressProblem } from './custom/addresses.ts'
import type { Network, P2PEngine } from './engine.ts'
import { addressProblem as libp2pAddressProblem } from './libp2p/addresses.ts'
import { type DhtMode, type EngineSettings, settingsOfSides } from './settings.ts'

/**
 * Creates the engine that the settings name, after `engineSettingsProblems` has found no problem. The other engine is
 * not loaded: its libraries would take a good part of the start time.
 */
export async function createEngine(
  init: EngineSettings & { limits: Limits },
  /** `age`: age time (src/clock), which dates the stored DHT records. */
  components: EngineComponents,
): Promise<P2PEngine> {
  switch (init.kind) {
    case 'libp2p':
      return await createLibp2p(init, components)
    case 'custom':
      return await createCustom(init, components)
    case 'both':
      return await createBoth(init, components)
    default:
      return init.kind satisfies never
  }
}

interface EngineComponents {
  identity: Identity
  records: RecordStore
  logger: Logger
  age?: () => number
}

const agent = `peergate/${version}`

async function createLibp2p(init: EngineSettings & { limits: Limits }, components: EngineComponents): Promise<P2PEngine & Network> {
  const { createLibp2pEngine } = await import('./libp2p/libp2p-engine.ts')
  return createLibp2pEngine({ ...init, dht: dhtMode(init), agent }, components)
}

async function createCustom(init: EngineSettings & { limits: Limits }, components: EngineComponents): Promise<P2PEngine & Network> {
  const { createCustomEngine } = await import('./custom/custom-engine.ts')
  return createCustomEngine({ ...init, relay: init.relay === true, dht: init.dht !== 'false', agent }, components)
}

async function createBoth(init: EngineSettings & { limits: Limits }, components: EngineComponents): Promise<P2PEngine> {
  const { limits } = init
  const { createBothEngine } = await import('./both/both-engine.ts')
  const { custom, libp2p } = settingsOfSides(init)
  const topics = topicFilter(init.bridgeTopics)
  const able = (problemOf: (address: Multiaddr) => string | undefined) => (text: string) => problemOf(parseAddress(text)) === undefined
  return createBothEngine(
    {
      sides: [
        {
          engine: await createCustom({ ...custom, limits }, components),
          maxTopics: Math.max(limits.maxJoinedTopics, engineLimits.custom.maxJoinedTopics ?? 0),
          speaks: able(customAddressProblem),
        },
        {
          engine: await createLibp2p({ ...libp2p, limits }, components),
          maxTopics: limits.maxJoinedTopics,
          speaks: able(libp2pAddressProblem),
        },
      ],
      mayCarry: (topic) => matchesTopic(topics, topic),
      keptMs: limits.unsentWindowMs,
    },
    components,
  )
}

function dhtMode({ dht, privateNetworkKey }: EngineSettings): DhtMode | undefined {
  if (dht === 'false') return undefined
  if (dht !== 'true') return dht
  return privateNetworkKey === undefined ? 'lan' : 'private'
}
