import type { Access } from '../access/access.ts'
import type { Tokens } from '../access/tokens.ts'
import type { CatchUp } from '../catch-up/catch-up.ts'
import type { HistoryService } from '../catch-up/history-service.ts'
import type { Clock } from '../clock/clock.ts'
import type { Members } from '../cluster/members.ts'
import type { Consumers } from '../consumers/consumers.ts'
import type { Carrier } from '../direct/carrier.ts'
import type { DirectInbox } from '../direct/direct-inbox.ts'
import type { P2PEngine } from '../engine/engine.ts'
import type { MetricsServer } from '../http/metrics-server.ts'
import type { HttpServer } from '../http/server.ts'
import type { Hub } from '../log/hub.ts'
import type { Ingest } from '../log/ingest.ts'
import type { Retention } from '../log/retention.ts'
import type { LogTail } from '../log/tail.ts'
import type { WriteWatch } from '../log/write-watch.ts'
import type { Peers } from '../peers/peers.ts'
import type { Services } from '../services/services.ts'
import type { Store } from '../store/store.ts'
import type { Stream } from '../stream/stream.ts'
import type { LoadWatch } from '../telemetry/load-watch.ts'
import type { Topics } from '../topics/topics.ts'
import type { Validators } from '../validation/validators.ts'
import type { Webhooks } from '../webhooks/webhooks.ts'
import type { Part } from './lifecycle.ts'
import { listeners, listening } from './listening.ts'

/** The parts of a gateway that are started and stopped. */
export interface StartedParts {
  store: Store
  writes: WriteWatch
  clock: Clock
  load: LoadWatch
  gateways: Members
  tokens: Tokens
  access: Access
  hub: Hub
  tail: LogTail
  retention: Retention
  topics: Topics
  ingest: Ingest
  historyService: HistoryService
  catchUp: CatchUp
  consumers: Consumers
  directInbox: DirectInbox
  validators: Validators
  services: Services
  peers: Peers
  engine: P2PEngine
  carrier: Carrier
  webhooks: Webhooks
  metricsServer: MetricsServer | undefined
  http: HttpServer
  stream: Stream
}

/**
 * The parts in the order in which they start. Each follows the parts that it uses. The engine is configured (blocks,
 * topics, handlers) before its first link.
 * @param init.settleMs see `GatewayInit`
 */
export function orderedParts(init: { catchUp: boolean; settleMs: number }, parts: StartedParts): Part[] {
  const { store, writes, clock, load, gateways, tokens, access, hub, tail, retention, topics, ingest, historyService, catchUp, consumers } =
    parts
  const { directInbox, validators, services, peers, engine, carrier, webhooks, metricsServer, http, stream } = parts
  return [
    { name: 'store', start: () => store.start(), stop: () => store.stop() },
    { name: 'write watch', start: () => writes.start(), stop: () => writes.stop() },
    { name: 'clock', start: () => clock.start(), stop: () => clock.stop() },
    { name: 'load watch', start: () => load.start(), stop: () => load.stop() },
    { name: 'peer id', start: () => gateways.claim() },
    { name: 'tokens', start: () => tokens.start(), stop: () => tokens.stop() },
    { name: 'access', start: () => access.start() },
    { name: 'hub', start: () => hub.start(), stop: () => hub.stop() },
    { name: 'log tail', start: () => tail.start(), stop: () => tail.stop() },
    { name: 'retention', start: () => retention.start(), stop: () => retention.stop() },
    { name: 'topics', start: () => topics.start(), stop: () => topics.stop() },
    { name: 'ingest', start: () => ingest.start(), stop: () => ingest.stop() },
    ...(!init.catchUp
      ? []
      : [
          { name: 'history for peers', start: () => historyService.start(), stop: () => historyService.stop() },
          { name: 'history of peers', start: () => catchUp.start(), stop: () => catchUp.stop() },
        ]),
    { name: 'consumers', start: () => consumers.start(), stop: () => consumers.stop() },
    { name: 'direct messages', start: () => directInbox.start(), stop: () => directInbox.stop() },
    { name: 'validators', start: () => validators.start(), stop: () => validators.stop() },
    { name: 'services', start: () => services.start(), stop: () => services.stop() },
    { name: 'peers', start: () => peers.start(), stop: () => peers.stop() },
    { name: 'author order', stop: async () => ingest.letGo() },
    { name: 'engine', start: () => listening(listeners.engine, () => engine.start()), stop: () => engine.stop() },
    { name: 'waiting messages', stop: () => ingest.settle(init.settleMs) },
    { name: 'carrier', start: () => carrier.start(), stop: () => carrier.stop() },
    { name: 'webhooks', start: () => webhooks.start(), stop: () => webhooks.stop() },
    { name: 'known peers', start: () => peers.reconnect() },
    { name: 'gateways', start: () => gateways.start(), stop: () => gateways.stop() },
    ...(metricsServer === undefined
      ? []
      : [{ name: 'metrics', start: () => listening(listeners.metrics, () => metricsServer.start()), stop: () => metricsServer.stop() }]),
    { name: 'http', start: () => listening(listeners.http, () => http.start()), stop: () => http.stop() },
    { name: 'stream', start: () => stream.start(), stop: () => stream.stop() },
  ]
}
