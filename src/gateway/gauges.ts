import type { Clock } from '../clock/clock.ts'
import type { P2PEngine } from '../engine/engine.ts'
import type { HttpServer } from '../http/server.ts'
import type { History } from '../log/history.ts'
import type { Hub } from '../log/hub.ts'
import type { Ingest } from '../log/ingest.ts'
import type { DeliveryStore } from '../store/delivery-store.ts'
import type { Stream } from '../stream/stream.ts'
import type { LoadWatch } from '../telemetry/load-watch.ts'
import type { GaugeValues } from '../telemetry/metrics.ts'
import type { ValidatorRegistry } from '../validation/validator-registry.ts'
import type { Webhooks } from '../webhooks/webhooks.ts'

/** The parts whose state is read whenever metrics are scraped. */
export interface GaugeSources {
  clock: Pick<Clock, 'isHeld'>
  deliveries: Pick<DeliveryStore, 'queued'>
  engine: Pick<P2PEngine, 'peers' | 'topics' | 'dropped'>
  /** Not a number for a gateway that has no directory. */
  freeDiskBytes: () => Promise<number>
  history: Pick<History, 'longPolls'>
  http: Pick<HttpServer, 'connections'>
  hub: Pick<Hub, 'ring' | 'tip'>
  ingest: Pick<Ingest, 'backlog'>
  load: Pick<LoadWatch, 'delayMs' | 'overloaded'>
  /** Memory for requests of clients, and for answers that they have not read yet. */
  requestBytes: { readonly bytes: number }
  answerBytes: { readonly bytes: number }
  stream: Pick<Stream, 'connections' | 'readers'>
  validatorRegistry: Pick<ValidatorRegistry, 'open'>
  webhooks: Pick<Webhooks, 'active'>
}

export function readGauges(sources: GaugeSources): () => Promise<GaugeValues> {
  const { clock, deliveries, engine, history, http, hub, ingest, load, requestBytes, answerBytes, stream } = sources
  return async () => {
    const { messages, bytes, unsentTopics } = ingest.backlog
    const { subscriptions, maxLag } = stream.readers
    return {
      inbox_messages: messages,
      inbox_bytes: bytes,
      request_bytes: requestBytes.bytes,
      answer_bytes: answerBytes.bytes,
      unsent_topics: unsentTopics,
      http_connections: http.connections,
      streams: stream.connections,
      subscriptions,
      subscriber_lag_messages: maxLag,
      long_polls: history.longPolls,
      ring_messages: hub.ring.messages,
      ring_bytes: hub.ring.bytes,
      log_tip: hub.tip,
      open_validations: sources.validatorRegistry.open,
      active_webhooks: sources.webhooks.active,
      queued_deliveries: (await deliveries.queued()).reduce((sum, { deliveries }) => sum + deliveries, 0),
      peers: (await engine.peers()).length,
      topics: (await engine.topics()).length,
      gossip_dropped_messages: engine.dropped,
      event_loop_delay_seconds: load.delayMs / 1_000,
      free_disk_bytes: await sources.freeDiskBytes(),
      clock_held: clock.isHeld ? 1 : 0,
      overloaded: load.overloaded ? 1 : 0,
    }
  }
}
