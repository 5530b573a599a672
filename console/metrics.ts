/** The text format of Prometheus, as far as the overview reads it. */

export interface Sample {
  name: string
  labels: Record<string, string>
  value: number
}

export function parseMetrics(text: string): Sample[] {
  return Array.from(text.matchAll(/^(\w+)(?:\{(.*)\})? (\S+)$/gm), ([, name = '', labels = '', value]) => ({
    name,
    labels: Object.fromEntries(Array.from(labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g), ([, key = '', of = '']) => [key, of])),
    value: Number(value),
  }))
}

export function sum(samples: Sample[], name: string, labels: Record<string, string> = {}): number {
  return samples
    .filter((sample) => sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value))
    .reduce((total, { value }) => total + value, 0)
}

const publishing = new Set(['publishToTopic', 'publishMessages'])

/** Numbers of successful publish requests that took at most `le` seconds, cumulative, by `le`. */
function publishBuckets(samples: Sample[]): Map<number, number> {
  const buckets = new Map<number, number>()
  for (const { name, labels, value } of samples) {
    if (name !== 'peergate_http_request_seconds_bucket' || !publishing.has(labels['operation'] ?? '') || labels['status'] !== '201')
      continue
    const le = labels['le'] === '+Inf' ? Number.POSITIVE_INFINITY : Number(labels['le'])
    buckets.set(le, (buckets.get(le) ?? 0) + value)
  }
  return buckets
}

/** Quantile of the duration of publish requests between two scrapes, in seconds; undefined without any. */
export function publishQuantile(before: Sample[], now: Sample[], quantile: number): number | undefined {
  const earlier = publishBuckets(before)
  const buckets = [...publishBuckets(now)]
    .map(([le, count]) => ({ le, count: count - (earlier.get(le) ?? 0) }))
    .toSorted((a, b) => a.le - b.le)
  const rank = quantile * (buckets.at(-1)?.count ?? 0)
  if (rank <= 0) return undefined
  let below = { le: 0, count: 0 }
  for (const bucket of buckets) {
    if (bucket.count >= rank) {
      if (bucket.le === Number.POSITIVE_INFINITY) return below.le
      return below.le + ((bucket.le - below.le) * (rank - below.count)) / (bucket.count - below.count)
    }
    below = bucket
  }
  return below.le
}

export interface Refusal {
  what: string
  count: number
}

/** What was refused since the start of the gateway, the most frequent first. */
export function refusals(samples: Sample[]): Refusal[] {
  const counts = new Map<string, number>()
  for (const sample of samples) {
    const what = refusalOf(sample)
    if (what !== undefined && sample.value > 0) counts.set(what, (counts.get(what) ?? 0) + sample.value)
  }
  return [...counts].map(([what, count]) => ({ what, count })).toSorted((a, b) => b.count - a.count)
}

function refusalOf({ name, labels }: Sample): string | undefined {
  const { operation = '', status = '', limit = '', code = '', verdict = '' } = labels
  if (name === 'peergate_http_request_seconds_count') return Number(status) >= 400 ? `${operation}: status ${status}` : undefined
  if (name === 'peergate_network_limits_reached_total') return `limit of the network: ${limit}`
  if (name === 'peergate_failed_writes_total') return `write failed: ${code}`
  if (name === 'peergate_received_messages_total') return verdict === 'accept' ? undefined : `message of a peer: ${verdict}`
  return undefined
}
