import type { KeyObject } from 'node:crypto'
import type { Logger } from 'pino'
import { createAccess } from '../access/access.ts'
import { createAudit } from '../access/audit.ts'
import { createEndings } from '../access/endings.ts'
import { createJwtVerifier } from '../access/jwt.ts'
import { createRates } from '../access/rates.ts'
import { watchRevocation } from '../access/revocation.ts'
import { createSessions } from '../access/sessions.ts'
import { createTokens } from '../access/tokens.ts'
import { createCatchUp } from '../catch-up/catch-up.ts'
import { createHistoryReader } from '../catch-up/history-reader.ts'
import { createHistoryService } from '../catch-up/history-service.ts'
import { type Clock, createClock } from '../clock/clock.ts'
import { createMembers } from '../cluster/members.ts'
import type { AccessSettings, HttpSettings } from '../config/config.ts'
import { createConsumers } from '../consumers/consumers.ts'
import { createDht } from '../dht/dht.ts'
import { createCarrier } from '../direct/carrier.ts'
import { createDeliveries } from '../direct/deliveries.ts'
import { createDirectInbox, type DirectSenders } from '../direct/direct-inbox.ts'
import type { P2PEngine } from '../engine/engine.ts'
import { publishedLimits } from '../engine/published-limits.ts'
import { createByteRooms } from '../http/byte-room.ts'
import { createMetricsServer } from '../http/metrics-server.ts'
import type { DurableStreamInit } from '../http/routes/durable-streams.ts'
import { createHttpServer } from '../http/server.ts'
import type { Limits } from '../limits.ts'
import { createHistory } from '../log/history.ts'
import { createHub } from '../log/hub.ts'
import { createIngest } from '../log/ingest.ts'
import { createRetention } from '../log/retention.ts'
import { createLogTail } from '../log/tail.ts'
import { createWriteWatch } from '../log/write-watch.ts'
import type { NodeView } from '../model/node.ts'
import { createPeers } from '../peers/peers.ts'
import { createPublisher } from '../publish/publisher.ts'
import { createServiceRegistry } from '../services/service-registry.ts'
import { createServices } from '../services/services.ts'
import type { Store } from '../store/store.ts'
import { createStream } from '../stream/stream.ts'
import { createLoadWatch } from '../telemetry/load-watch.ts'
import { createMetrics } from '../telemetry/metrics.ts'
import { createTopics } from '../topics/topics.ts'
import { createValidatorRegistry } from '../validation/validator-registry.ts'
import { createValidators } from '../validation/validators.ts'
import { createWebhooks } from '../webhooks/webhooks.ts'
import { createDiagnosis, type MachineSettings } from './diagnosis/diagnosis.ts'
import { freeDiskBytes } from './diagnosis/machine.ts'
import { readGauges } from './gauges.ts'
import { createLifecycle, type Part } from './lifecycle.ts'
import { watchNetworks } from './network-values.ts'
import { createNodeInfo } from './node-info.ts'
import { orderedParts } from './ordered-parts.ts'

/**
 * A complete gateway: all parts, in the order in which they start and stop. Does not own their behaviour, or the
 * process (main.ts).
 */
export interface Gateway {
  /** A failed start leaves nothing running. */
  start(): Promise<void>
  /** Refuses new work, finishes pending work and releases all resources. Idempotent. */
  stop(): Promise<void>
  node(): Promise<NodeView>
  /** The URL of the HTTP server, once started. */
  readonly url: string
  /** The port of the metrics server, if it has its own. */
  readonly metricsPort: number | undefined
}

export interface GatewayInit {
  http: HttpSettings & DurableStreamInit
  /** Default: only the tokens of the store. */
  access?: Pick<AccessSettings, 'insecure' | 'adminToken' | 'jwt'>
  /** Senders of accepted direct messages. Default: all. */
  directSenders?: DirectSenders
  /** Whether to fetch missed messages from peers, and to serve the log to them. Default: true. */
  catchUp?: boolean
  /**
   * Milliseconds for which a stop lets messages wait for earlier ones of their author that are on their way, before it
   * closes the links. Default: 0.
   */
  settleMs?: number
  /** Ids of the configured peers, which the engine keeps links to. */
  configuredPeers?: string[]
  /** Whether requests are traced. `startTracing` exports the traces. */
  tracing?: boolean
  /** Hosts that webhooks may be sent to although they are not public. Default: none. */
  webhookHosts?: string[]
  /** What is examined besides the parts. Default: nothing. */
  machine?: MachineSettings
  limits: Limits
}

/** Why a gateway can't go on. */
export type Loss = 'identity_in_use' | 'disk_failed'

export const lossWords: Record<Loss, string> = {
  identity_in_use: 'another process has taken the peer id (identity_in_use)',
  disk_failed: 'the disk of the database has failed; a new start finds out what it has kept',
}

/** The parts a gateway is built around: a store and an engine of any kind. */
export interface GatewayComponents {
  store: Store
  engine: P2PEngine
  /** The clock of the store. Default: a new one. */
  clock?: Clock
  /** Parts below the store and the engine: started first, stopped last. */
  foundation?: Part[]
  /** This process must end. */
  onLost?: (reason: Loss) => void
  /** The Ed25519 key of the engine's peer id. Without it, webhooks are signed by their secrets only. */
  signingKey?: KeyObject
  logger: Logger
}

/** The composition root. */
export function createGateway(init: GatewayInit, components: GatewayComponents): Gateway {
  const { limits } = init
  const published = publishedLimits(components.engine.kind, limits)
  const { store, engine, foundation = [], onLost = () => undefined, signingKey, logger } = components
  const state = { started: false, draining: false }

  const metrics = createMetrics()
  const clock = components.clock ?? createClock({ limits }, { store: store.clock, logger })
  const { now, age, settledAge, toWall } = clock
  const load = createLoadWatch({ limits })
  const hub = createHub({ limits }, { log: store.log })
  const topics = createTopics({ limits }, { engine, store, traffic: hub.traffic, logger, now: age })
  const peers = createPeers({ limits, configured: init.configuredPeers ?? [] }, { engine, store, logger, now, ages: clock })
  const dht = createDht({ limits, peerId: engine.peerId }, { routing: engine.routing })
  const history = createHistory({ limits }, { log: store.log, hub, now })
  const retention = createRetention(
    { limits },
    { log: store.log, audit: store.audit, sessions: store.sessions, peers, hub, metrics, logger, now: settledAge },
  )
  const tail = createLogTail({ limits }, { store, hub, logger })
  const validatorRegistry = createValidatorRegistry({ limits }, { now })
  const serviceRegistry = createServiceRegistry({ limits }, { now })
  const gateways = createMembers({
    store,
    engine,
    services: serviceRegistry,
    validators: validatorRegistry,
    onLost: () => onLost('identity_in_use'),
    logger,
    clock,
  })
  const validators = createValidators({ limits }, { engine, registry: validatorRegistry, gateways, messages: store.log, metrics, logger })
  const writes = createWriteWatch({ store, metrics, logger })
  const ingest = createIngest(
    { limits },
    { engine, log: store.log, tail, traffic: hub.traffic, judges: validators, writes, metrics, logger, now, age, settledAge },
  )
  const historyService = createHistoryService({ limits }, { engine, log: store.log, metrics, now: age })
  const historyReader = createHistoryReader({ limits }, { engine, log: store.log, ingest, metrics, now: age })
  const catchUp = createCatchUp({ limits }, { engine, store, reader: historyReader, ingest, gateways, logger, now: age })
  const directInbox = createDirectInbox(
    { senders: init.directSenders ?? 'all', limits },
    { engine, ingest, peers: store.peers, metrics, logger, now, age },
  )
  const carrier = createCarrier({ limits }, { engine, peers, store: store.deliveries, inbox: directInbox, metrics, logger, clock })
  const deliveries = createDeliveries({ limits }, { engine, store: store.deliveries, carrier, clock })
  const parts = { store, hub, history, topics, metrics, peerId: engine.peerId, logger, clock, now }
  const consumers = createConsumers({ limits }, parts)
  const services = createServices({ limits }, { engine, peers, registry: serviceRegistry, gateways, logger, now })
  const publisher = createPublisher({ limits: published }, { ingest, topics, engine, log: store.log, load, now: settledAge })
  const identity = { peerId: engine.peerId, engine: engine.kind }
  const { insecure = false, adminToken, jwt } = init.access ?? {}
  const verifyJwt = jwt === undefined ? undefined : createJwtVerifier(jwt, { now })
  const tokens = createTokens({ adminToken, hasProvider: verifyJwt !== undefined, limits }, { store, now, age: settledAge })
  const sessions = createSessions({ limits, acceptsSubjects: verifyJwt !== undefined }, { store: store.sessions, tokens, clock })
  const endings = createEndings({ sources: [tokens, sessions] })
  const access = createAccess({ host: init.http.host, insecure }, { tokens, sessions, verifyJwt, logger })
  const webhooks = createWebhooks(
    { peerId: engine.peerId, allowed: init.webhookHosts ?? [], limits },
    { store: store.webhooks, hub, history, topics, access, tokens, endings, gateways, signingKey, metrics, logger, clock, now },
  )
  const audit = createAudit({ store: store.audit, now: age, toWall })
  const rates = createRates({ limits })
  const { requestBytes, answerBytes } = createByteRooms({ limits })
  const stream = createStream(
    { limits: published },
    {
      access,
      endings,
      rates,
      requestBytes,
      answerBytes,
      hub,
      history,
      topics,
      peers,
      publisher,
      consumers,
      deliveries,
      tail,
      services,
      serviceRegistry,
      validatorRegistry,
      identity,
      load,
      logger,
      now,
    },
  )

  watchRevocation({ tokens, sessions, endings, stream, topics, logger })

  const node = createNodeInfo({ ...init, limits: published }, { engine, log: store.log, stream, now })
  const probes = {
    started: () => state.started,
    draining: () => state.draining,
    store: store.log,
    writes,
    damaged: () => store.isDamaged(),
  }
  const diagnosis = createDiagnosis(init, { engine, probes, clock })
  const http = createHttpServer(
    { ...init.http, metricsElsewhere: init.http.metricsPort !== undefined, tracing: init.tracing === true, limits },
    {
      node,
      diagnosis,
      gateways,
      peers,
      topics,
      dht,
      retention,
      history,
      publisher,
      consumers,
      deliveries,
      services,
      validators,
      webhooks,
      access,
      endings,
      rates,
      requestBytes,
      answerBytes,
      tokens,
      sessions,
      audit,
      stream,
      probes,
      metrics,
      logger,
      now,
    },
  )

  const { host, metricsPort } = init.http
  const metricsServer = metricsPort === undefined ? undefined : createMetricsServer({ host, port: metricsPort }, { metrics, logger })

  const started = {
    ...{ store, writes, clock, load, gateways, tokens, access, hub, tail, retention, topics, ingest, historyService, catchUp, consumers },
    ...{ directInbox, validators, services, peers, engine, carrier, webhooks, metricsServer, http, stream },
  }
  const lifecycle = createLifecycle(
    [...foundation, ...orderedParts({ catchUp: init.catchUp !== false, settleMs: init.settleMs ?? 0 }, started)],
    logger,
  )

  metrics.watchSteps(() => clock.steps)
  store.watchDamage((found) => {
    metrics.damaged(found.length)
    catchUp.lookForMissing()
  })
  watchNetworks(metrics, { engine, ingest })
  const sources = { clock, deliveries: store.deliveries, engine, history, http, hub, ingest, load, requestBytes, answerBytes, stream }
  const { machine } = init
  const freeBytes = async () => (machine === undefined ? Number.NaN : await freeDiskBytes(machine.dataDir).catch(() => Number.NaN))
  metrics.watch(readGauges({ ...sources, validatorRegistry, webhooks, freeDiskBytes: freeBytes }))

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
    get metricsPort() {
      return metricsServer?.port
    },
  }
}
