import { useRef } from 'preact/hooks'
import { Chart } from '../chart.tsx'
import { gateway, getText, type Schemas, usePoll } from '../gateway.ts'
import { parseMetrics, publishQuantile, refusals, type Sample, sum } from '../metrics.ts'
import { Badge, Card, Failure, Figure, Listing, Table } from '../parts.tsx'
import { useMay } from '../rights.ts'
import { bytes, duration, number, plural, shortId } from '../words.ts'
import { Findings, sorted } from './findings.tsx'

const scrapeMs = 2_000
/** Scrapes that the charts show: five minutes. */
const maxScrapes = 150

interface Scrape {
  at: number
  samples: Sample[]
}

const series = [
  { name: 'published here', colour: '--first' },
  { name: 'from peers', colour: '--second' },
]

export function Overview() {
  const may = useMay()
  const node = usePoll(() => gateway.rest.call('get', '/v1/node'), 5_000)
  const gateways = usePoll(() => gateway.rest.call('get', '/v1/nodes', { query: { limit: 100 } }), 10_000)
  const topics = usePoll(() => gateway.rest.call('get', '/v1/topics', { query: { limit: 500 } }), 10_000)
  const readiness = usePoll(readReadiness, 5_000)
  const scrapes = useRef<Scrape[]>([])
  const metrics = usePoll(async () => {
    const { ok, text } = await getText('/metrics')
    if (!ok) return []
    const scrape = { at: Date.now(), samples: parseMetrics(text) }
    const last = scrapes.current.at(-1)
    // Counters begin anew with a restart of the gateway.
    const isRestart = last !== undefined && sum(scrape.samples, started) !== sum(last.samples, started)
    scrapes.current = [...(isRestart ? [] : scrapes.current), scrape].slice(-maxScrapes)
    return scrapes.current
  }, scrapeMs)

  const examination = usePoll(async () => (may('admin') ? sorted(await gateway.rest.call('get', '/v1/node/findings')) : []), 60_000)
  const findings = examination.value
  const attention = findings?.filter(({ state }) => state !== 'ok') ?? []
  const taken = metrics.value ?? []
  const now = taken.at(-1)?.samples
  const published = rates(taken, (samples) => sum(samples, 'peergate_published_messages_total'))
  const received = rates(taken, (samples) => sum(samples, 'peergate_received_messages_total', { verdict: 'accept' }))
  const minuteAgo = taken.findLast(({ at }) => at <= (taken.at(-1)?.at ?? 0) - 60_000) ?? taken[0]
  const quantile = (of: number) => {
    const seconds = minuteAgo === undefined || now === undefined ? undefined : publishQuantile(minuteAgo.samples, now, of)
    return seconds === undefined ? '–' : `${number(seconds * 1_000)} ms`
  }
  const stored = topics.value?.items ?? []
  // A gateway that tells nobody its metrics tells this neither.
  const free = now?.find(({ name }) => name === 'peergate_free_disk_bytes')?.value ?? Number.NaN

  return (
    <>
      <Failure error={node.error} />
      {node.value !== undefined && <State node={node.value} readiness={readiness.value} />}
      {attention.length > 0 && <Findings title="Needs attention" findings={attention} />}
      <dl class="figures">
        <Figure label="Published here" value={`${number(published.at(-1) ?? 0)}/s`} />
        <Figure label="From peers" value={`${number(received.at(-1) ?? 0)}/s`} />
        <Figure label="Publish, p50" value={quantile(0.5)} note="last minute" />
        <Figure label="Publish, p99" value={quantile(0.99)} note="last minute" />
        <Figure
          label="Connections"
          value={now === undefined ? '–' : number(sum(now, 'peergate_http_connections'))}
          note={now === undefined ? undefined : plural(sum(now, 'peergate_streams'), 'stream')}
        />
        <Figure
          label="Stored"
          value={bytes(stored.reduce((total, topic) => total + topic.bytes, 0))}
          note={[
            plural(
              stored.reduce((total, topic) => total + topic.messages, 0),
              'message',
            ),
            ...(Number.isFinite(free) ? [`${bytes(free)} free`] : []),
          ].join(', ')}
        />
      </dl>
      <Card title="Messages per second">
        {taken.length === 0 && metrics.value !== undefined ? (
          <p class="faint">The metrics are not served here: the gateway has a port of their own for them.</p>
        ) : (
          <Chart
            label={`Messages per second: ${number(published.at(-1) ?? 0)} published here, ${number(received.at(-1) ?? 0)} from peers`}
            series={series}
            times={taken.slice(1).map(({ at }) => at / 1_000)}
            values={[published, received]}
          />
        )}
      </Card>
      <div class="grid">
        <Card title="Refused since the start">
          <Table
            label="Refusals"
            columns={[
              { name: 'What', cell: ({ what }) => what },
              { name: 'Why', cell: ({ why }) => why },
              { name: 'Times', cell: ({ count }) => number(count), number: true },
            ]}
            rows={now === undefined ? undefined : refusals(now).slice(0, 20)}
            keyOf={({ what, why }) => `${what} ${why}`}
            none="Nothing was refused."
          />
        </Card>
        <Card title="Gateways of this database">
          <Listing
            label="Gateways"
            list={gateways}
            columns={[
              { name: 'Peer', cell: ({ peerId }) => <code title={peerId}>{shortId(peerId)}</code> },
              { name: 'State', cell: ({ state }) => <Badge tone={state === 'ready' ? 'good' : 'neutral'}>{state}</Badge> },
              { name: 'Version', cell: ({ version }) => version },
              { name: 'Engine', cell: ({ engine }) => engine },
            ]}
            keyOf={({ peerId }) => peerId}
            none="None."
          />
        </Card>
      </div>
      {may('admin') && <Findings title="Checks of this gateway" findings={findings} error={examination.error} />}
    </>
  )
}

const started = 'process_start_time_seconds'

/** Per second, between each scrape and the one before. */
function rates(scrapes: Scrape[], totalOf: (samples: Sample[]) => number): number[] {
  return scrapes.slice(1).map((scrape, index) => {
    const before = scrapes[index] ?? scrape
    return Math.max(0, (totalOf(scrape.samples) - totalOf(before.samples)) / ((scrape.at - before.at) / 1_000))
  })
}

/** Not an error when the gateway is not ready: the answer says why. */
async function readReadiness(): Promise<{ ok: boolean; reason: string }> {
  const { ok, text } = await getText('/readyz')
  const { reason = '', detail = '' }: { reason?: string; detail?: string } = JSON.parse(text)
  return { ok, reason: reason || detail }
}

function State({ node, readiness }: { node: Schemas['Node']; readiness: { ok: boolean; reason: string } | undefined }) {
  const { counts, reachability, identityConflicts } = node
  return (
    <>
      <p class="lead">
        {readiness?.ok === false ? <Badge tone="bad">not ready</Badge> : <Badge tone="good">ready</Badge>} The gateway has run for{' '}
        {duration(node.uptimeMs)}, is linked to {plural(counts.peers, 'peer')}, has joined {plural(counts.topics, 'topic')}, and its
        reachability is {reachability.state}.
      </p>
      {readiness?.ok === false && <Failure error={`It takes no new work: ${readiness.reason}`} />}
      {identityConflicts.length > 0 && (
        <Failure error="Another gateway runs with the identity of this one. Stop one of them, or give it a key of its own." />
      )}
    </>
  )
}
