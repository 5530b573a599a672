import type { KadDHT } from '@libp2p/kad-dht'
import type { Logger } from 'pino'
import type { Identity } from '../../../identity/identity.ts'
import type { Limits } from '../../../limits.ts'
import type { RecordStore } from '../../../store/record-store.ts'
import type { ConnectedPeer } from '../../engine.ts'
import type { LimitsReached } from '../../limits-reached.ts'
import { createNoRouting } from '../../no-routing.ts'
import type { Routing } from '../../routing.ts'
import type { DhtMode } from '../../settings.ts'
import { tableOf } from './dht.ts'
import { DhtDatastore } from './dht-datastore.ts'
import { type Namespaces, namespacesOf } from './dht-namespaces.ts'
import { RecordDatastore } from './record-datastore.ts'
import { createRouting } from './routing.ts'

/** The parts of the DHT that outlive the node of one start: its datastores, and routing as the contract has it. */
export interface EngineDht {
  datastore: RecordDatastore
  dhtDatastore: DhtDatastore
  namespaces: Namespaces
  routing: Routing
}

export function createEngineDht(
  init: { mode: DhtMode | undefined; limits: Limits },
  components: {
    identity: Identity
    records: RecordStore
    /** The DHT of the running node. */
    dht(): KadDHT | undefined
    isLinked(peerId: string): boolean
    peerOf(peerId: string): ConnectedPeer | undefined
    reached: LimitsReached
    logger: Logger
  },
): EngineDht {
  const { mode, limits } = init
  const { identity, records, isLinked, peerOf, reached, logger } = components
  const datastore = new RecordDatastore({ maxPeers: limits.maxKnownPeers }, { records, isLinked, logger })
  const namespaces = namespacesOf(mode ?? 'lan')
  const dhtDatastore = new DhtDatastore({ limits }, { inner: datastore, namespaces, onRefused: () => reached.note('dht_record') })
  const routing =
    mode === undefined
      ? createNoRouting()
      : createRouting(
          { limits },
          {
            dht() {
              const dht = components.dht()
              return dht === undefined ? undefined : { dht, size: tableOf(dht).size }
            },
            linked(other) {
              const multiaddrs = peerOf(other)?.multiaddrs.filter((address) => address.endsWith(`/p2p/${other}`))
              return multiaddrs === undefined ? undefined : { peerId: other, multiaddrs }
            },
            namespaces,
            identity,
          },
        )
  return { datastore, dhtDatastore, namespaces, routing }
}
