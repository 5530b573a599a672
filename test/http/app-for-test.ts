import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import request, { type Response } from 'supertest'
import { onTestFinished } from 'vitest'
import type { WebSocket } from 'ws'
import { createAccess } from '../../src/access/access.ts'
import { createAudit } from '../../src/access/audit.ts'
import { createEndings } from '../../src/access/endings.ts'
import { createRates } from '../../src/access/rates.ts'
import { createSessions } from '../../src/access/sessions.ts'
import { createTokens } from '../../src/access/tokens.ts'
import { agesOf } from '../../src/clock/ages.ts'
import { createMembers } from '../../src/cluster/members.ts'
import { createConsumers } from '../../src/consumers/consumers.ts'
import { createDht } from '../../src/dht/dht.ts'
import { createDeliveries } from '../../src/direct/deliveries.ts'
import type { P2PEngine } from '../../src/engine/engine.ts'
import { Draining, ServiceNotFound } from '../../src/errors.ts'
import { createNodeInfo } from '../../src/gateway/node-info.ts'
import { type AppComponents, type AppInit, createApp } from '../../src/http/app.ts'
import { createByteRooms } from '../../src/http/byte-room.ts'
import { defaultLimits } from '../../src/limits.ts'
import { createHistory } from '../../src/log/history.ts'
import { createHub } from '../../src/log/hub.ts'
import { createIngest } from '../../src/log/ingest.ts'
import { createRetention } from '../../src/log/retention.ts'
import { createWriteWatch } from '../../src/log/write-watch.ts'
import { createPeers, type Peers } from '../../src/peers/peers.ts'
import { createPublisher } from '../../src/publish/publisher.ts'
import type { Store } from '../../src/store/store.ts'
import type { QuerySubscription } from '../../src/stream/client.ts'
import type { Codec } from '../../src/stream/codec.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { createTopics } from '../../src/topics/topics.ts'
import { createWebhooks } from '../../src/webhooks/webhooks.ts'
import { silentLog } from '../fixtures/log.ts'
import { createMemoryEngine, createMemoryNetwork, type MemoryNetwork } from '../fixtures/memory-engine.ts'
import { createMemoryIdentity } from '../fixtures/memory-identity.ts'
import { createMemoryStore } from '../fixtures/memory-store.ts'
import { createOracle, type Oracle } from './oracle.ts'

/** HTTP over a gateway in memory. */
export interface AppForTest {
  app: FastifyInstance
  store: Store
  engine: P2PEngine
  network: MemoryNetwork
  peers: Peers
  /** What the stream was handed. */
  accepted: Array<{ socket: WebSocket; query: QuerySubscription }>
  /** A request, whose answer the published contract has judged. */
  call(method: string, path: string, options?: CallOptions): Promise<Response>
  publish(topic: string, data: string): Promise<{ id: string; cursor: string }>
}

export interface CallOptions {
  json?: unknown
  /** A body as it is, in place of `json`. */
  raw?: string | Buffer
  headers?: Record<string, string>
}

export type AppOverrides = Partial<Omit<AppInit, 'limits'>> & {
  components?: Partial<AppComponents>
  limits?: Partial<typeof defaultLimits>
}

export async function appForTest(overrides: AppOverrides = {}): Promise<AppForTest> {
  const limits = { ...defaultLimits, ...overrides.limits }
  const store = createMemoryStore()
  const network = createMemoryNetwork()
  const engine = createMemoryEngine({ network, identity: await createMemoryIdentity() })
  const hub = createHub({ limits }, { log: store.log })
  const metrics = createMetrics()
  const topics = createTopics({ limits }, { engine, store, traffic: hub.traffic, logger: silentLog })
  const peers = createPeers({ limits }, { engine, store, logger: silentLog })
  const dht = createDht({ limits, peerId: engine.peerId }, { routing: engine.routing })
  const history = createHistory({ limits }, { log: store.log, hub })
  const retention = createRetention(
    { limits },
    { log: store.log, audit: store.audit, sessions: store.sessions, peers, hub, metrics, logger: silentLog },
  )
  const ingest = createIngest(
    { limits },
    {
      engine,
      log: store.log,
      tail: { append: hub.append, watchRead: () => () => undefined },
      traffic: hub.traffic,
      writes: createWriteWatch({ store, metrics, logger: silentLog }),
      metrics,
      logger: silentLog,
    },
  )
  const publisher = createPublisher({ limits }, { ingest, topics, engine, log: store.log, load: { check: () => undefined } })
  const carrier = { queued: () => undefined, watch: () => () => undefined }
  const consumers = createConsumers(
    { limits },
    { store, hub, history, topics, metrics, peerId: engine.peerId, logger: silentLog, clock: agesOf(), now: Date.now },
  )
  const deliveries = createDeliveries({ limits }, { engine, store: store.deliveries, carrier })
  const accepted: AppForTest['accepted'] = []
  const stream = {
    admit: () => undefined,
    refuse: () => undefined,
    accept: (socket: WebSocket, _wire: Socket, _codec: Codec, query: QuerySubscription) => void accepted.push({ socket, query }),
    acceptEvents: async () => {
      throw new Draining('no events here')
    },
    acceptDurable: () => {
      throw new Draining('no events here')
    },
  }
  const tokens = createTokens({ adminToken: undefined, hasProvider: false, limits }, { store })
  const sessions = createSessions({ limits, acceptsSubjects: false }, { store: store.sessions, tokens })
  const access = createAccess({ host: '127.0.0.1', insecure: false }, { tokens, sessions, verifyJwt: undefined, logger: silentLog })
  const node = createNodeInfo({ limits, http: {} }, { engine, log: store.log, stream: { connections: 0 } })
  const probes = {
    started: () => true,
    draining: () => false,
    store: store.log,
    writes: { failure: undefined },
    damaged: () => store.isDamaged(),
  }
  const endings = createEndings()
  const gateways = createMembers({
    store,
    engine,
    services: { services: [], watch: () => () => undefined },
    validators: { registrations: new Map() },
    onLost: () => undefined,
    logger: silentLog,
  })
  const components = {
    node,
    diagnosis: { findings: async () => [], sawForwarding: () => undefined },
    webhooks: createWebhooks(
      { peerId: engine.peerId, allowed: [], limits },
      {
        ...{ store: store.webhooks, hub, history, topics, access, tokens, endings, gateways, signingKey: undefined },
        ...{ metrics, logger: silentLog, clock: agesOf(), now: Date.now },
      },
    ),
    services: {
      request: async () => {
        throw new ServiceNotFound('none here')
      },
      list: () => ({ items: [], next: null }),
    },
    validators: { list: () => ({ items: [], next: null }) },
    gateways,
    peers,
    topics,
    dht,
    retention,
    history,
    publisher,
    consumers,
    deliveries,
    access,
    endings,
    rates: createRates({ limits }),
    ...createByteRooms({ limits }),
    tokens,
    sessions,
    audit: createAudit({ store: store.audit }),
    stream,
    probes,
    metrics,
    logger: silentLog,
    ...overrides.components,
  }

  await hub.start()
  await topics.start()
  await ingest.start()
  await peers.start()
  await engine.start()
  const app = await createApp({ allowedHosts: [], allowedOrigins: [], trustedProxies: [], ...overrides, limits }, components)
  await app.listen({ host: '127.0.0.1', port: 0 })
  onTestFinished(async () => {
    await app.close()
    await engine.stop()
    await peers.stop()
    await ingest.stop()
  })
  oracle ??= oracleOf(app)
  const { judge } = await oracle

  async function call(method: string, path: string, options: CallOptions = {}): Promise<Response> {
    const test = new request.Test(app.server, method, path).buffer(true).serialize((body) => body)
    if (options.json !== undefined) test.type('application/json').send(JSON.stringify(options.json))
    if (options.raw !== undefined) test.send(options.raw)
    const answer = await test.set(options.headers ?? {})
    judge(method, path, answer)
    return answer
  }

  return {
    app,
    store,
    engine,
    network,
    peers,
    accepted,
    call,
    publish: async (topic, data) => (await call('POST', `/v1/topics/${encodeURIComponent(topic)}/messages`, { json: { data } })).body,
  }
}

/** Another node of the same network, with the given topics. */
export async function neighbour(network: MemoryNetwork, topics: string[] = []): Promise<P2PEngine & { address: string }> {
  const engine = createMemoryEngine({ network, identity: await createMemoryIdentity() })
  await engine.start()
  for (const topic of topics) await engine.subscribe(topic)
  onTestFinished(() => engine.stop())
  return Object.assign(engine, { address: (await engine.multiaddrs())[0] ?? '' })
}

/** The contract is the same for every app. */
let oracle: Promise<Oracle> | undefined

async function oracleOf(app: FastifyInstance): Promise<Oracle> {
  // From an address of its own: a document is charged by its bytes, and this is the first test's app only.
  return createOracle((await app.inject({ url: '/openapi.json', remoteAddress: '192.0.2.1' })).json())
}
