import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { createSingleFlight } from '../lib/single-flight.ts'
import type { AckVerdict } from '../model/consumer.ts'
import { directStatus } from '../model/direct-status.ts'
import { type EngineLimit, engineLimits } from '../model/engine-limits.ts'
import type { Judgement } from '../model/validator.ts'
import type { Verdict } from '../model/verdict.ts'
import { createNetworkMetrics, type NetworkValues } from './network-metrics.ts'

/**
 * The metrics of the gateway. This room owns their names, which are part of the contract (docs/metrics.md); the parts
 * of the gateway own the values.
 */
export interface Metrics {
  /** Own messages that were stored, and messages of other peers by verdict. */
  published(count: number): void
  received(verdict: Verdict): void
  /** The judgement of a message of another peer: given by clients, or a default. */
  judged(judgement: Judgement): void
  /** A direct message from a peer, by status (`directStatus`). */
  receivedDirect(status: number): void
  /** Missed messages fetched from peers, by outcome, and missed messages served to peers. */
  receivedPast(outcome: Partial<Record<PastOutcomeName, number>>): void
  sentPast(count: number): void
  /** A history request from a peer was told to wait. */
  busyPast(): void
  /** Messages handed out to workers of consumers, and how many of them not for the first time; and what workers said of them. */
  handedOut(messages: number, again: number): void
  settled(verdict: AckVerdict, messages: number): void
  /** Messages refused because their append failed. */
  refused(count: number): void
  /** An append or a trial write failed because the database is unavailable, with the error code. */
  failedWrite(code: string): void
  /**
   * Durations in seconds: of a publish request in the inbox, of a commit, and of the hand-over of a batch to the
   * network.
   */
  waited(seconds: number): void
  committed(messages: number, seconds: number): void
  handedOver(seconds: number): void
  pruned(messages: number, bytes: number): void
  /** Stored messages found damaged. */
  damaged(messages: number): void
  /** An attempt to send messages of a webhook. */
  webhook(outcome: 'accepted' | 'failed', messages: number): void
  /** An HTTP request: its operation, response status, and duration in seconds. */
  request(operation: string, status: number, seconds: number): void
  /** A relayed link got a direct one in its place; the time that the peer was linked through a relay. */
  becameDirect(network: string, seconds: number): void
  /** Registers the source of the gauges, read with every scrape. */
  watch(read: () => Promise<GaugeValues>): void
  /** Registers the source of the engine's limit counters: how often each limit was reached. */
  watchLimits(read: () => Readonly<Record<EngineLimit, number>>): void
  /** Registers the source of the metrics that are kept for each network. */
  watchNetworks(read: () => Promise<NetworkValues[]>): void
  /** Registers the source of the clock step counter. */
  watchSteps(read: () => number): void
  /** All metrics in the Prometheus text format. */
  text(): Promise<string>
  readonly contentType: string
  /** Name, type, help and labels of each metric of Peergate, without those of Node.js. */
  describe(): Promise<Array<{ name: string; kind: string; help: string; labels: string[] }>>
}

/** `forged`: the signature is not the author's. */
type PastOutcomeName = 'stored' | 'known' | 'refused' | 'forged'

/** Help text of each gauge, by name without the prefix. */
const gauges = {
  inbox_messages: 'Messages waiting for the append.',
  inbox_bytes: 'Bytes of data of the messages waiting for the append.',
  request_bytes: 'Bytes of client requests and frames held until they are answered.',
  answer_bytes: 'Bytes of responses that clients have not read yet.',
  http_connections: 'Open HTTP connections, streams included.',
  streams: 'Open stream connections, WebSocket and server-sent events.',
  subscriptions: 'Subscriptions of all stream connections.',
  subscriber_lag_messages: 'Lag of the slowest subscription behind the tip of the log, in sequence numbers.',
  long_polls: 'History requests waiting for messages.',
  ring_messages: 'Recent messages in memory (the ring).',
  ring_bytes: 'Bytes of data of the recent messages in memory (the ring).',
  log_tip: 'Sequence number of the newest message in the log.',
  peers: 'Connected peers.',
  topics: 'Joined topics.',
  open_validations: 'Validations waiting for the verdicts of clients.',
  active_webhooks: 'Webhooks that this gateway delivers.',
  queued_deliveries: 'Direct messages from clients waiting for delivery.',
  unsent_topics: 'Topics with messages that wait for a first subscriber.',
  gossip_dropped_messages: 'Network messages ignored because too many were waiting, or because validation took too long.',
  event_loop_delay_seconds: 'Recent mean delay of the event loop.',
  free_disk_bytes: 'Bytes that are free on the disk of the data directory.',
  clock_held: '1 after a clock step until the clock is trusted again; meanwhile nothing expires.',
  overloaded: '1 while new work is refused because of event loop delay.',
} as const
export type GaugeValues = Record<keyof typeof gauges, number>

/** Buckets in seconds: from a commit on a fast disk to a typical client timeout. */
const seconds = [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
/** Buckets in seconds: from a punch at once to one after the pauses between attempts. */
const pathSeconds = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800, 3_600]
const batchSizes = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000]

/** Labels by metric. The number of their values is fixed, whatever clients and peers do. */
const labels: Record<string, string[]> = {
  peergate_failed_writes_total: ['code'],
  peergate_received_messages_total: ['verdict'],
  peergate_received_direct_messages_total: ['status'],
  peergate_received_past_messages_total: ['outcome'],
  peergate_consumer_deliveries_total: ['again'],
  peergate_consumer_verdicts_total: ['verdict'],
  peergate_judged_messages_total: ['verdict', 'given'],
  peergate_webhook_attempts_total: ['outcome'],
  peergate_webhook_messages_total: ['outcome'],
  peergate_http_request_seconds: ['operation', 'status'],
  peergate_network_limits_reached_total: ['limit'],
  peergate_network_unsent_topics: ['network'],
  peergate_bridged_topics: ['network'],
  peergate_bridged_messages_total: ['network'],
  peergate_given_up_messages_total: ['network', 'reason'],
  peergate_links: ['network', 'path'],
  peergate_hole_punches_total: ['network', 'transport', 'outcome'],
  peergate_relayed_circuits: ['network'],
  peergate_relayed_bytes_total: ['network'],
  peergate_time_to_direct_seconds: ['network'],
}

const statusNames = new Map<number, string>(Object.entries(directStatus).map(([name, status]) => [status, name]))

export function createMetrics(): Metrics {
  const registry = new Registry()
  const own = new Registry()
  collectDefaultMetrics({ register: registry })
  const metric = (name: string, help: string) => ({ name: `peergate_${name}`, help, registers: [own] })

  const published = new Counter(metric('published_messages_total', 'Messages from clients that were stored.'))
  const refused = new Counter(metric('refused_messages_total', 'Publish requests refused because the append failed.'))
  const failedWrites = new Counter({
    ...metric('failed_writes_total', 'Failed appends and trial writes, by error code. While writes fail, `/readyz` returns 503.'),
    labelNames: ['code'],
  })
  const received = new Counter({ ...metric('received_messages_total', 'Messages from other peers, by verdict.'), labelNames: ['verdict'] })
  const direct = new Counter({
    ...metric('received_direct_messages_total', 'Direct messages from peers, by status.'),
    labelNames: ['status'],
  })
  const past = new Counter({
    ...metric('received_past_messages_total', 'Missed messages that were fetched from peers, by outcome.'),
    labelNames: ['outcome'],
  })
  const sentPast = new Counter(metric('sent_past_messages_total', 'Missed messages that were served to peers.'))
  const busyPast = new Counter(metric('busy_past_requests_total', 'History requests from peers that were told to wait.'))
  const handedOut = new Counter({
    ...metric(
      'consumer_deliveries_total',
      'Messages that consumers have handed out to workers. `again` is true if not for the first time.',
    ),
    labelNames: ['again'],
  })
  const settled = new Counter({
    ...metric('consumer_verdicts_total', 'What workers have said of messages of consumers.'),
    labelNames: ['verdict'],
  })
  const judged = new Counter({
    ...metric(
      'judged_messages_total',
      'Messages from other peers that clients judge, by verdict. `given` is false if the default verdict was used.',
    ),
    labelNames: ['verdict', 'given'],
  })
  const waited = new Histogram({ ...metric('inbox_wait_seconds', 'Time that a publish request waits in the inbox.'), buckets: seconds })
  const commits = new Histogram({ ...metric('commit_seconds', 'Duration of an append, including its fsync.'), buckets: seconds })
  const commitSizes = new Histogram({ ...metric('commit_messages', 'Messages per append.'), buckets: batchSizes })
  const handovers = new Histogram({
    ...metric('handover_seconds', 'Duration of the hand-over of a batch to the network.'),
    buckets: seconds,
  })
  const prunedMessages = new Counter(metric('pruned_messages_total', 'Messages that were pruned, purged or deleted.'))
  const prunedBytes = new Counter(metric('pruned_bytes_total', 'Bytes of data of messages that were pruned, purged or deleted.'))
  const clockSteps = new Counter(metric('clock_steps_total', 'Steps of the wall clock by more than `clockStepMs`.'))
  const damaged = new Counter(
    metric('damaged_messages_total', 'Stored messages, queued direct messages included, that were found damaged and are no longer served.'),
  )
  const [webhookAttempts, webhookMessages] = [
    new Counter({ ...metric('webhook_attempts_total', 'Requests of webhooks, by outcome.'), labelNames: ['outcome'] }),
    new Counter({ ...metric('webhook_messages_total', 'Messages in requests of webhooks, by outcome.'), labelNames: ['outcome'] }),
  ]
  const requests = new Histogram({
    ...metric('http_request_seconds', 'Duration of an HTTP request, by operation of the contract and response status.'),
    labelNames: ['operation', 'status'],
    buckets: seconds,
  })
  const timesToDirect = new Histogram({
    ...metric('time_to_direct_seconds', 'Time that a peer was linked through a relay only, until a direct link took its place.'),
    labelNames: ['network'],
    buckets: pathSeconds,
  })

  const limitsReached = new Counter({
    ...metric(
      'network_limits_reached_total',
      'Refusals and disconnects by the engine because a limit was reached, by limit: requests and bodies of peers, requests through bridges, dials to addresses learnt from peers, links whose peer does not read or sends too many unsolicited frames, streams over WebRTC that are read too slowly, DHT records, messages above the size that a peer accepts, and links, reservations and circuits beyond the maximum or the share of an address.',
    ),
    labelNames: ['limit'],
  })

  const setNetworks = createNetworkMetrics(own)
  let readNetworks: (() => Promise<NetworkValues[]>) | undefined
  let readLimits: (() => Readonly<Record<EngineLimit, number>>) | undefined
  let readSteps: (() => number) | undefined
  let read: (() => Promise<GaugeValues>) | undefined
  const readings = Object.entries(gauges).map(([name, help]) => ({ name, gauge: new Gauge(metric(name, help)) }))

  async function collect(): Promise<void> {
    limitsReached.reset()
    for (const limit of engineLimits) limitsReached.inc({ limit }, readLimits?.()[limit] ?? 0)
    setNetworks((await readNetworks?.()) ?? [])
    clockSteps.reset()
    clockSteps.inc(readSteps?.() ?? 0)
    if (read === undefined) return
    const values = Object.entries(await read())
    for (const { name, gauge } of readings) gauge.set(values.find(([key]) => key === name)?.[1] ?? 0)
  }

  const reading = createSingleFlight(async () => {
    await collect()
    return `${await own.metrics()}\n${await registry.metrics()}`
  })

  return {
    published: (count) => published.inc(count),
    refused: (count) => refused.inc(count),
    failedWrite: (code) => failedWrites.inc({ code }),
    received: (verdict) => received.inc({ verdict }),
    receivedDirect: (status) => direct.inc({ status: statusNames.get(status) ?? 'other' }),
    receivedPast(outcome) {
      for (const [name, count] of Object.entries(outcome)) past.inc({ outcome: name }, count)
    },
    sentPast: (count) => sentPast.inc(count),
    busyPast: () => busyPast.inc(),
    handedOut(messages, again) {
      handedOut.inc({ again: 'false' }, messages - again)
      handedOut.inc({ again: 'true' }, again)
    },
    settled: (verdict, messages) => settled.inc({ verdict }, messages),
    judged: ({ verdict, given }) => judged.inc({ verdict, given: String(given) }),
    waited: (time) => waited.observe(time),
    committed(messages, time) {
      commits.observe(time)
      commitSizes.observe(messages)
    },
    handedOver: (time) => handovers.observe(time),
    pruned(messages, bytes) {
      prunedMessages.inc(messages)
      prunedBytes.inc(bytes)
    },
    damaged: (messages) => damaged.inc(messages),
    webhook(outcome, messages) {
      webhookAttempts.inc({ outcome })
      webhookMessages.inc({ outcome }, messages)
    },
    becameDirect: (network, time) => timesToDirect.observe({ network }, time),
    request: (operation, status, time) => requests.observe({ operation, status }, time),
    watch(values) {
      read = values
    },
    watchLimits(values) {
      readLimits = values
    },
    watchNetworks(values) {
      readNetworks = values
    },
    watchSteps(steps) {
      readSteps = steps
    },
    text: reading.run,
    contentType: registry.contentType,
    async describe() {
      const metrics = await own.getMetricsAsJSON()
      return metrics.map(({ name, type, help }) => ({ name, kind: String(type), help, labels: labels[name] ?? [] }))
    },
  }
}
