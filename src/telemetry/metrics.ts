import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { directStatus } from '../model/direct-status.ts'
import { type EngineLimit, engineLimits } from '../model/engine-limits.ts'
import type { Judgement } from '../model/validator.ts'
import type { Verdict } from '../model/verdict.ts'

/** What the parts of the gateway tell of themselves: the names are part of the contract, docs/metrics.md lists them. */
export interface Metrics {
  /** Messages of ours that were stored, and messages of others by what became of them. */
  published(count: number): void
  received(verdict: Verdict): void
  /** What clients have said of a message of others, or what stood in for it. */
  judged(judgement: Judgement): void
  /** A direct message of a peer, by what became of it (direct-protocol.ts). */
  receivedDirect(status: number): void
  /** Messages that were missing here and that peers had kept, by what became of them; those that peers were given. */
  receivedPast(outcome: Partial<Record<PastOutcomeName, number>>): void
  sentPast(count: number): void
  /** A peer that asked for history was told to wait. */
  busyPast(): void
  /** Messages that were refused since their append failed. */
  refused(count: number): void
  /** An append, or a trial of writing, failed since the database could not be used: the code of the error. */
  failedWrite(code: string): void
  /** Seconds of a request to publish in the inbox, of a commit, and of handing a batch to the network. */
  waited(seconds: number): void
  committed(messages: number, seconds: number): void
  handedOver(seconds: number): void
  pruned(messages: number, bytes: number): void
  /** Stored messages that were found damaged. */
  damaged(messages: number): void
  /** Which operation was asked for over HTTP, what it was answered, and the seconds it took. */
  request(operation: string, status: number, seconds: number): void
  /** Has gauges read from the parts whenever the metrics are. */
  watch(read: () => Promise<GaugeValues>): void
  /** Has counters of the engine's limits read as well: how often each was reached. */
  watchLimits(read: () => Readonly<Record<EngineLimit, number>>): void
  /** And how often the clock has stepped. */
  watchSteps(read: () => number): void
  /** The registry in Prometheus' text format. */
  text(): Promise<string>
  readonly contentType: string
  /** Name, kind and meaning of each metric of Peergate's own. */
  describe(): Promise<Array<{ name: string; kind: string; help: string; labels: string[] }>>
}

/** `forged` is what its author has not signed. */
type PastOutcomeName = 'stored' | 'known' | 'refused' | 'forged'

/** Help of each gauge, by its name without the prefix. */
const gauges = {
  inbox_messages: 'Messages waiting to be appended.',
  inbox_bytes: 'Bytes of their data.',
  request_bytes: 'Bytes of requests and frames of clients that are being read or wait for their answer.',
  answer_bytes: 'Bytes of answers that clients have not taken yet.',
  http_connections: 'Connections of HTTP, streams among them.',
  streams: 'Connected clients of the stream and of events.',
  subscriptions: 'Their subscriptions.',
  subscriber_lag_messages: 'Numbers of the log that the subscription farthest behind has still to read.',
  long_polls: 'Requests that wait for messages.',
  ring_messages: 'Recent messages in memory.',
  ring_bytes: 'Bytes of their data.',
  log_tip: 'Number of the newest message of the log.',
  peers: 'Connected peers.',
  topics: 'Joined topics.',
  open_validations: 'Questions to clients that judge messages, waiting for their verdicts.',
  queued_deliveries: 'Direct messages of clients waiting for their recipients.',
  unsent_topics: 'Topics with messages that nobody has been there for.',
  gossip_dropped_messages: 'Messages of the network that were ignored since too many waited, or judging them took too long.',
  event_loop_delay_seconds: 'Delay of the event loop, mean of the last moments.',
  clock_held: '1 while the clock has stepped and is not trusted yet, and nothing becomes too old.',
  overloaded: '1 while new work is refused since the event loop is late.',
} as const
export type GaugeValues = Record<keyof typeof gauges, number>

/** Seconds: from what a commit takes on a fast disk to what a client would give up at. */
const seconds = [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const batchSizes = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000]

/** Labels by metric: their values are few, whatever clients and peers do. */
const labels: Record<string, string[]> = {
  peergate_failed_writes_total: ['code'],
  peergate_received_messages_total: ['verdict'],
  peergate_received_direct_messages_total: ['status'],
  peergate_received_past_messages_total: ['outcome'],
  peergate_judged_messages_total: ['verdict', 'given'],
  peergate_http_request_seconds: ['operation', 'status'],
  peergate_network_limits_reached_total: ['limit'],
}

const statusNames = new Map<number, string>(Object.entries(directStatus).map(([name, status]) => [status, name]))

export function createMetrics(): Metrics {
  const registry = new Registry()
  const own = new Registry()
  collectDefaultMetrics({ register: registry })
  const metric = (name: string, help: string) => ({ name: `peergate_${name}`, help, registers: [own] })

  const published = new Counter(metric('published_messages_total', 'Messages of clients that were stored.'))
  const refused = new Counter(metric('refused_messages_total', 'Requests to publish that were refused since the append failed.'))
  const failedWrites = new Counter({
    ...metric(
      'failed_writes_total',
      'Appends and trials of writing that failed, by the code of the error; while there are any, `/readyz` is 503.',
    ),
    labelNames: ['code'],
  })
  const received = new Counter({ ...metric('received_messages_total', 'Messages of other peers.'), labelNames: ['verdict'] })
  const direct = new Counter({ ...metric('received_direct_messages_total', 'Direct messages of peers.'), labelNames: ['status'] })
  const past = new Counter({
    ...metric('received_past_messages_total', 'Messages that this gateway had missed and fetched from peers.'),
    labelNames: ['outcome'],
  })
  const sentPast = new Counter(metric('sent_past_messages_total', 'Messages that peers had missed and were given.'))
  const busyPast = new Counter(metric('busy_past_requests_total', 'Requests of peers for history that were told to wait.'))
  const judged = new Counter({
    ...metric(
      'judged_messages_total',
      'Messages of others that clients judge; `given` is false where a default stood in for their verdict.',
    ),
    labelNames: ['verdict', 'given'],
  })
  const waited = new Histogram({ ...metric('inbox_wait_seconds', 'Time of a request to publish in the inbox.'), buckets: seconds })
  const commits = new Histogram({ ...metric('commit_seconds', 'Time of an append, its fsync among it.'), buckets: seconds })
  const commitSizes = new Histogram({ ...metric('commit_messages', 'Messages of an append.'), buckets: batchSizes })
  const handovers = new Histogram({ ...metric('handover_seconds', 'Time of handing a batch to the network.'), buckets: seconds })
  const prunedMessages = new Counter(metric('pruned_messages_total', 'Messages that were pruned.'))
  const prunedBytes = new Counter(metric('pruned_bytes_total', 'Bytes of their data.'))
  const clockSteps = new Counter(metric('clock_steps_total', 'Steps of the clock of the log by more than `clockStepMs`.'))
  const damaged = new Counter(
    metric('damaged_messages_total', 'Stored messages, direct ones on their way among them, that were found damaged and are not served.'),
  )
  const requests = new Histogram({
    ...metric('http_request_seconds', 'Time of an HTTP request, by its operation in the contract and its status.'),
    labelNames: ['operation', 'status'],
    buckets: seconds,
  })

  const limitsReached = new Counter({
    ...metric(
      'network_limits_reached_total',
      'What the engine refused or cut since a limit was reached: requests of peers without a place, bodies without room or that made room for others, dials on others’ word, links that are not read or that bring too many frames that ask for nothing, records of the DHT, links, reservations and circuits beyond what there may be or beyond the share of an address.',
    ),
    labelNames: ['limit'],
  })

  let readLimits: (() => Readonly<Record<EngineLimit, number>>) | undefined
  let readSteps: (() => number) | undefined
  let read: (() => Promise<GaugeValues>) | undefined
  const readings = Object.entries(gauges).map(([name, help]) => ({ name, gauge: new Gauge(metric(name, help)) }))

  async function collect(): Promise<void> {
    limitsReached.reset()
    for (const limit of engineLimits) limitsReached.inc({ limit }, readLimits?.()[limit] ?? 0)
    clockSteps.reset()
    clockSteps.inc(readSteps?.() ?? 0)
    if (read === undefined) return
    const values = Object.entries(await read())
    for (const { name, gauge } of readings) gauge.set(values.find(([key]) => key === name)?.[1] ?? 0)
  }

  let reading: Promise<string> | undefined
  async function readAll(): Promise<string> {
    await collect()
    return `${await own.metrics()}\n${await registry.metrics()}`
  }

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
    request: (operation, status, time) => requests.observe({ operation, status }, time),
    watch(values) {
      read = values
    },
    watchLimits(values) {
      readLimits = values
    },
    watchSteps(steps) {
      readSteps = steps
    },
    text() {
      // Those who ask meanwhile are given the same.
      reading ??= readAll().finally(() => {
        reading = undefined
      })
      return reading
    },
    contentType: registry.contentType,
    async describe() {
      const metrics = await own.getMetricsAsJSON()
      return metrics.map(({ name, type, help }) => ({ name, kind: String(type), help, labels: labels[name] ?? [] }))
    },
  }
}
