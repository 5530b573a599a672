import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from 'pino'
import type { Config, HttpSettings } from './config.ts'
import { createEngine } from './engine/create-engine.ts'
import type { P2PEngine } from './engine/engine.ts'
import { createHistory } from './history.ts'
import { createHttpServer } from './http/server.ts'
import { openIdentity } from './identity/identity.ts'
import { createIngest } from './ingest.ts'
import { createLifecycle } from './lifecycle.ts'
import type { Limits } from './limits.ts'
import type { NodeView } from './model/node.ts'
import { createNodeInfo } from './node-info.ts'
import { createPeers } from './peers.ts'
import { createProbes } from './probes.ts'
import { createStore } from './store/create-store.ts'
import type { Store } from './store/store.ts'
import { createHub } from './stream/hub.ts'
import { createStream } from './stream/stream.ts'
import { createTopics } from './topics.ts'

/** A whole gateway: the composition root. */
export interface Gateway {
  /** A failed start leaves nothing running. */
  start(): Promise<void>
  /** Refuses what is new, finishes what is there, and releases everything. Idempotent. */
  stop(): Promise<void>
  node(): Promise<NodeView>
  /** Where HTTP listens, once started. */
  readonly url: string
}

/** What a gateway is built around: a store and an engine of any kind, and what runs below them. */
export interface GatewayFoundation {
  store: Store
  engine: P2PEngine
  /** Released last. */
  release?: () => void
  log: Logger
}

/**
 * The gateway that the configuration asks for.
 * @throws InvalidKeyFile
 * @throws IdentityInUse
 */
export async function createGateway(config: Config, components: { log: Logger }): Promise<Gateway> {
  const { log } = components
  const { limits } = config
  await mkdir(config.dataDir, { recursive: true, mode: 0o700 })
  const identity = await openIdentity(config.keyFile)
  const store = createStore({ ...config.store, servedMarkFile: join(config.dataDir, 'served'), limits }, { log })
  const engine = createEngine({ ...config.engine, limits }, { identity, records: store.records, log })
  return assembleGateway({ http: config.http, limits }, { store, engine, release: () => identity.close(), log })
}

export function assembleGateway(init: { http: HttpSettings; limits: Limits }, foundation: GatewayFoundation): Gateway {
  const { http: httpSettings, limits } = init
  const { store, engine, log } = foundation
  const state = { started: false, draining: false }

  const hub = createHub({ limits }, { log: store.log })
  const topics = createTopics({ limits }, { engine, store, log })
  const peers = createPeers({ limits }, { engine, store, log })
  const history = createHistory({ limits }, { store: store.log })
  const ingest = createIngest({ limits }, { engine, log: store.log, hub, topics, logger: log })
  const identity = { peerId: engine.peerId, engine: engine.kind }
  const stream = createStream({ limits }, { hub, history, topics, peers, publisher: ingest, identity, log })
  const node = createNodeInfo({ limits }, { engine, store, stream })
  const probes = createProbes({ state }, { log: store.log })
  const http = createHttpServer({ ...httpSettings, limits }, { node, peers, topics, history, publisher: ingest, stream, probes, log })

  // What uses stands below what it uses; the engine is set up (blocks, topics, the way in) before its first link.
  const lifecycle = createLifecycle(
    [
      { name: 'release', stop: async () => foundation.release?.() },
      { name: 'store', start: store.start, stop: store.stop },
      { name: 'hub', start: hub.start, stop: hub.stop },
      { name: 'topics', start: topics.start },
      { name: 'ingest', start: ingest.start, stop: ingest.stop },
      { name: 'peers', start: peers.start, stop: peers.stop },
      { name: 'engine', start: engine.start, stop: engine.stop },
      { name: 'known peers', start: peers.reconnect },
      { name: 'http', start: http.start, stop: http.stop },
      { name: 'stream', start: stream.start, stop: stream.stop },
    ],
    log,
  )

  return {
    async start() {
      await lifecycle.start()
      state.started = true
    },
    stop() {
      state.draining = true
      return lifecycle.stop()
    },
    node,
    get url() {
      return http.url
    },
  }
}
