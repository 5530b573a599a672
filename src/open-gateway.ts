import { join } from 'node:path'
import type { Logger } from 'pino'
import type { Config } from './config.ts'
import { createEngine } from './engine/create-engine.ts'
import { createGateway, type Gateway } from './gateway.ts'
import { openIdentity } from './identity/identity.ts'
import { makeDirectory } from './start-refused.ts'
import { createStore } from './store/create-store.ts'
import type { RecordStore } from './store/store.ts'

/**
 * The gateway that the configuration asks for, holding its identity until it is stopped.
 * @throws StartRefused when an operator has to mend something first
 */
export async function openGateway(config: Config, components: { log: Logger; onLost?: () => void }): Promise<Gateway> {
  const { log, ...hooks } = components
  const { limits } = config
  makeDirectory(config.dataDir, 'PEERGATE_DATA_DIR')
  const identity = await openIdentity(config.keyFile)
  const store = createStore({ ...config.store, servedMarkFile: join(config.dataDir, 'served') }, { log })
  const engine = createEngine({ ...config.engine, limits }, { identity, records: recordsOf(identity.peerId, store.records), log })
  const foundation = [{ name: 'identity', stop: async () => identity.close() }]
  return createGateway({ http: config.http, limits }, { store, engine, foundation, ...hooks, log })
}

/** An engine's records, apart from those of other gateways of the database. */
function recordsOf(peerId: string, store: RecordStore): RecordStore {
  const prefix = `${peerId}/`
  return {
    get: (key) => store.get(prefix + key),
    write: (batch) => store.write(batch.map((write) => ({ ...write, key: prefix + write.key }))),
    async list(start) {
      const records = await store.list(prefix + start)
      return records.map(({ key, value }) => ({ key: key.slice(prefix.length), value }))
    },
  }
}
