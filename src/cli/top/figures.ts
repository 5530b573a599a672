import { PeergateError } from '../../../clients/typescript/src/errors.ts'
import type { components } from '../../../clients/typescript/src/openapi.ts'
import type { Rest } from '../../../clients/typescript/src/rest.ts'
import { parseMetrics, refusals, type Sample, sum } from '../../../console/metrics.ts'
import { commandLimits } from '../limits.ts'

type Schemas = components['schemas']

/** What a gateway says of itself at one moment. */
export interface Look {
  /** Milliseconds since 1970. */
  at: number
  node: Schemas['Node']
  topics: Schemas['TopicStats'][]
  /** Those that are linked. */
  peers: Schemas['Peer'][]
  /** Undefined when they are on a port of their own. */
  metrics: Sample[] | undefined
}

/** @throws PeergateError */
export async function look(rest: Rest, signal: AbortSignal): Promise<Look> {
  const limit = commandLimits.pageItems
  const [node, topics, peers, metrics] = await Promise.all([
    rest.call('get', '/v1/node', { signal }),
    rest.call('get', '/v1/topics', { query: { limit }, signal }),
    rest.call('get', '/v1/peers', { query: { limit, state: 'connected' }, signal }),
    rest.call('get', '/metrics', { signal }).then(parseMetrics, whereNotServed),
  ])
  return { at: Date.now(), node, topics: topics.items, peers: peers.items, metrics }
}

function whereNotServed(error: unknown): undefined {
  if (!(error instanceof PeergateError) || error.status !== 404) throw error
}

/** What `peergate top` shows. Rates are per second since the look before, and null without one; what only metrics tell is null without them. */
export interface Figures {
  at: string
  node: { peerId: string; engine: string; version: string; reachability: string; uptimeMs: number; peers: number; topics: number }
  perSecond: { published: number; received: number; requests: number; refused: number } | null
  waiting: { publications: number; bytes: number; deliveries: number; unsentTopics: number; validations: number } | null
  clients: { connections: number; streams: number; subscriptions: number; lagMessages: number } | null
  /** `cpuPercent` of one core. */
  process: { cpuPercent: number | null; residentBytes: number; eventLoopDelayMs: number } | null
  topics: TopicFigures[]
  peers: PeerFigures[]
}

export interface TopicFigures {
  topic: string
  joined: boolean
  /** Stored messages more each second; below zero while more are pruned than come. */
  growthPerSecond: number | null
  /** Messages into the log, and messages sent to followers and to peers. */
  inPerSecond: number | null
  outPerSecond: number | null
  messages: number
  bytes: number
  subscribers: number
}

export interface PeerFigures {
  peerId: string
  label: string | null
  networks: string[]
  direction: string | null
  path: string | null
  latencyMs: number | null
  /** Messages of topics, from the peer and to it. */
  inPerSecond: number | null
  outPerSecond: number | null
  score: number | null
  topics: number
  agent: string | null
}

/** @param earlier the look before, if there was one */
export function figuresOf(earlier: Look | undefined, now: Look): Figures {
  // Counters begin anew with each start.
  const before = earlier !== undefined && earlier.node.uptimeMs <= now.node.uptimeMs ? earlier : undefined
  const seconds = before === undefined ? 0 : (now.at - before.at) / 1_000
  const rate = (more: number) => (seconds > 0 ? Math.round((more / seconds) * 10) / 10 : 0)
  const { peerId, engine, version, reachability, uptimeMs, counts } = now.node
  const trafficBefore = new Map(before?.peers.map(({ peerId, traffic }) => [peerId, traffic]))
  const topicsBefore = new Map(before?.topics.map((each) => [each.topic, each]))
  return {
    at: new Date(now.at).toISOString(),
    node: { peerId, engine, version, reachability: reachability.state, uptimeMs, peers: counts.peers, topics: counts.topics },
    ...figuresOfMetrics(before?.metrics, now.metrics, rate),
    topics: now.topics.map(({ topic, joined, messages, bytes, traffic, subscribers }) => ({
      topic,
      joined,
      growthPerSecond: before === undefined ? null : rate(messages - (topicsBefore.get(topic)?.messages ?? 0)),
      ...topicRates(before === undefined ? undefined : topicsBefore.get(topic)?.traffic, traffic, rate),
      messages,
      bytes,
      subscribers,
    })),
    peers: now.peers.map(({ peerId, label, networks, direction, path, latencyMs, traffic, score, topics, agent }) => ({
      peerId,
      label,
      networks,
      direction,
      path,
      latencyMs,
      ...trafficRates(trafficBefore.get(peerId), traffic, rate),
      score,
      topics: topics.length,
      agent,
    })),
  }
}

type OfTopic = Schemas['TopicTraffic']

/** The counts of a topic may begin anew. */
function topicRates(before: OfTopic | undefined, now: OfTopic, rate: (more: number) => number) {
  if (before === undefined) return { inPerSecond: null, outPerSecond: null }
  const more = (name: keyof OfTopic) => now[name] - (now[name] < before[name] ? 0 : before[name])
  return { inPerSecond: rate(more('stored')), outPerSecond: rate(more('delivered') + more('sent')) }
}

type Traffic = Schemas['Peer']['traffic']

/** The counts of a peer begin anew with each link. */
function trafficRates(before: Traffic | undefined, now: Traffic, rate: (more: number) => number) {
  if (before === undefined) return { inPerSecond: null, outPerSecond: null }
  const more = (name: keyof Traffic) => rate(now[name] - (now[name] < before[name] ? 0 : before[name]))
  return { inPerSecond: more('messagesIn'), outPerSecond: more('messagesOut') }
}

function figuresOfMetrics(
  before: Sample[] | undefined,
  now: Sample[] | undefined,
  rate: (more: number) => number,
): Pick<Figures, 'perSecond' | 'waiting' | 'clients' | 'process'> {
  if (now === undefined) return { perSecond: null, waiting: null, clients: null, process: null }
  const of = (name: string) => sum(now, name)
  const since = (read: (samples: Sample[]) => number) => rate(read(now) - (before === undefined ? 0 : read(before)))
  return {
    perSecond:
      before === undefined
        ? null
        : {
            published: since((samples) => sum(samples, 'peergate_published_messages_total')),
            received: since((samples) => sum(samples, 'peergate_received_messages_total', { verdict: 'accept' })),
            requests: since((samples) => sum(samples, 'peergate_http_request_seconds_count')),
            refused: since((samples) => refusals(samples).reduce((total, { count }) => total + count, 0)),
          },
    waiting: {
      publications: of('peergate_inbox_messages'),
      bytes: of('peergate_inbox_bytes'),
      deliveries: of('peergate_queued_deliveries'),
      unsentTopics: of('peergate_unsent_topics'),
      validations: of('peergate_open_validations'),
    },
    clients: {
      connections: of('peergate_http_connections'),
      streams: of('peergate_streams'),
      subscriptions: of('peergate_subscriptions'),
      lagMessages: of('peergate_subscriber_lag_messages'),
    },
    process: {
      cpuPercent: before === undefined ? null : since((samples) => sum(samples, 'process_cpu_seconds_total') * 100),
      residentBytes: of('process_resident_memory_bytes'),
      eventLoopDelayMs: Math.round(of('peergate_event_loop_delay_seconds') * 1_000),
    },
  }
}
