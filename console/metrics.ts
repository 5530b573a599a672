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
  why: string
  count: number
}

/** By the status of HTTP. */
const reasons: Readonly<Record<string, string>> = {
  400: 'the request is not valid',
  401: 'no valid token',
  403: 'the token does not allow it',
  404: 'not found',
  408: 'the request came too slowly',
  409: 'in conflict with another request',
  413: 'too large',
  415: 'not of a media type that is understood',
  421: 'the host name is not allowed',
  422: 'the request is not valid',
  429: 'too many requests',
  500: 'an error of the gateway',
  503: 'busy, or not ready',
  504: 'no answer in time',
  507: 'no room on the disk',
}

/** What was refused since the start of the gateway, the most frequent first. */
export function refusals(samples: Sample[]): Refusal[] {
  const refused = samples.flatMap((sample) => (sample.value > 0 ? refusalOf(sample) : []))
  const alike = Map.groupBy(refused, ({ what, why }) => `${what} ${why}`)
  return [...alike.values()]
    .flatMap(([first, ...others]) =>
      first === undefined ? [] : { ...first, count: others.reduce((total, { count }) => total + count, first.count) },
    )
    .toSorted((a, b) => b.count - a.count)
}

function refusalOf({ name, labels, value: count }: Sample): Refusal[] {
  const { operation = '', status = '', limit = '', code = '', verdict = '' } = labels
  if (name === 'peergate_http_request_seconds_count' && Number(status) >= 400)
    return [{ what: `request: ${operation}`, why: reasons[status] ?? `status ${status}`, count }]
  if (name === 'peergate_network_limits_reached_total') return [{ what: 'network', why: `limit reached: ${limit}`, count }]
  if (name === 'peergate_failed_writes_total') return [{ what: 'write to the database', why: code, count }]
  if (name === 'peergate_received_messages_total' && verdict !== 'accept')
    return [{ what: 'message of a peer', why: `verdict: ${verdict}`, count }]
  return []
}
