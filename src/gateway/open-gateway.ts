import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { createClock } from '../clock/clock.ts'
import type { AccessSettings, Config } from '../config/config.ts'
import { adminTokenProblem } from '../config/problems.ts'
import { withBridges } from '../engine/bridge/with-bridges.ts'
import { createEngine } from '../engine/create-engine.ts'
import { limitsForSystem } from '../http/descriptors.ts'
import { openIdentity } from '../identity/identity.ts'
import { ed25519PrivateKey } from '../lib/ed25519.ts'
import { makeDirectory, StartupError } from '../lib/startup-error.ts'
import { parseAddress, peerIdOf } from '../model/peer.ts'
import { createStore } from '../store/create-store.ts'
import type { RecordStore } from '../store/record-store.ts'
import { startTracing } from '../telemetry/tracing.ts'
import { createGateway, type Gateway, type Loss } from './gateway.ts'

/** The part of a shutdown in which messages may wait for earlier ones of their author. */
const settlePart = 1 / 3

/**
 * Creates the gateway of a configuration. It holds its identity until it is stopped.
 * @throws StartupError when the operator has to fix the configuration or the system
 */
export async function openGateway(config: Config, components: { logger: Logger; onLost?: (reason: Loss) => void }): Promise<Gateway> {
  const { logger, ...hooks } = components
  const limits = await limitsForSystem(config.limits, { listeners: config.engine.listen.length }, { logger })
  makeDirectory(config.dataDir, 'PEERGATE_DATA_DIR')
  const access = await readAdminToken(config.access)
  const identity = await openIdentity(config.keyFile, config.dataDir)
  await using opened = new AsyncDisposableStack()
  opened.defer(() => identity.close())
  const store = await createStore({ ...config.store, servedMarkFile: join(config.dataDir, 'served') }, components)
  const clock = createClock({ limits }, { store: store.clock, logger })
  const records = recordsOf(identity.peerId, store.records)
  const node = await createEngine({ ...config.engine, limits }, { identity, records, logger, age: clock.age })
  const engine = withBridges({ limits, dht: config.engine.dht !== 'false' }, { engine: node, identity })
  const tracing = config.tracing === undefined ? undefined : await startTracing({ ...config.tracing, instance: identity.peerId })
  if (tracing !== undefined) opened.defer(tracing)
  const foundation = [
    { name: 'identity', stop: async () => identity.close() },
    ...(tracing === undefined ? [] : [{ name: 'tracing', stop: tracing }]),
  ]
  const gateway = createGateway(
    {
      http: config.http,
      access,
      directSenders: config.directSenders,
      catchUp: config.catchUp,
      settleMs: config.shutdownMs * settlePart,
      webhookHosts: config.webhookHosts,
      tracing: tracing !== undefined,
      configuredPeers: config.engine.bootstrap.flatMap((address) => peerIdOf(parseAddress(address)) ?? []),
      machine: { dataDir: config.dataDir, warnings: config.warnings, listeners: config.engine.listen.length, limits: config.limits },
      limits,
    },
    { store, engine, clock, foundation, signingKey: ed25519PrivateKey(identity.seed), ...hooks, logger },
  )
  // From here on the gateway closes them.
  opened.move()
  return gateway
}

/** @throws StartupError */
async function readAdminToken(access: AccessSettings): Promise<AccessSettings> {
  const { adminTokenFile: file } = access
  if (file === undefined) return access
  const adminToken = await readFile(file, 'utf8').then(
    (text) => text.trim(),
    (cause: unknown) => {
      throw new StartupError(`The file of PEERGATE_ADMIN_TOKEN_FILE, ${file}, can't be read.`, { cause })
    },
  )
  const problem = adminTokenProblem(adminToken)
  if (problem === undefined) return { ...access, adminToken }
  throw new StartupError(`The token in ${file} (PEERGATE_ADMIN_TOKEN_FILE) ${problem}.`)
}

/** The records of one engine, with a prefix that separates them from those of other gateways of the database. */
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
