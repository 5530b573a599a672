import { expect, test } from 'vitest'
import { parseMetrics, publishQuantile, refusals, sum } from '../../console/metrics.ts'

test('reads names, labels with escapes, and values, and leaves comments out', () => {
  const samples = parseMetrics(
    ['# HELP a_total Text.', '# TYPE a_total counter', 'a_total 3', 'b{x="1",y="a \\"quoted\\", one"} 4.5', 'c +Inf', ''].join('\n'),
  )
  expect(samples).toEqual([
    { name: 'a_total', labels: {}, value: 3 },
    { name: 'b', labels: { x: '1', y: 'a \\"quoted\\", one' }, value: 4.5 },
    { name: 'c', labels: {}, value: Number.NaN },
  ])
})

test('adds up the samples of a name that have the given labels', () => {
  const samples = parseMetrics('m{a="1",b="x"} 1\nm{a="1",b="y"} 2\nm{a="2",b="x"} 4\nn{a="1"} 8\n')
  expect(sum(samples, 'm')).toBe(7)
  expect(sum(samples, 'm', { a: '1' })).toBe(3)
  expect(sum(samples, 'm', { a: '1', b: 'y' })).toBe(2)
  expect(sum(samples, 'o')).toBe(0)
})

/** Publish requests that took at most 10 ms, at most 100 ms, and longer. */
function requests(counts: { fast: number; slow: number; slower: number }, status = '201') {
  const line = (le: string, count: number) =>
    `peergate_http_request_seconds_bucket{operation="publishToTopic",status="${status}",le="${le}"} ${count}`
  const { fast, slow, slower } = counts
  return parseMetrics([line('0.01', fast), line('0.1', fast + slow), line('+Inf', fast + slow + slower)].join('\n'))
}

test('estimates a quantile of successful publish requests between two scrapes', () => {
  const before = requests({ fast: 0, slow: 1_000, slower: 0 })
  const now = requests({ fast: 50, slow: 1_050, slower: 0 })
  expect(publishQuantile(before, now, 0.5)).toBeCloseTo(0.01)
  expect(publishQuantile(before, now, 0.75)).toBeCloseTo(0.055)
  expect(publishQuantile(before, now, 1)).toBeCloseTo(0.1)
})

test('there is no quantile without a request, and one beyond the last bucket is at least its bound', () => {
  const some = requests({ fast: 1, slow: 0, slower: 0 })
  expect(publishQuantile(some, some, 0.5)).toBeUndefined()
  expect(publishQuantile([], requests({ fast: 5, slow: 0, slower: 0 }, '503'), 0.5)).toBeUndefined()
  expect(publishQuantile(some, requests({ fast: 1, slow: 0, slower: 9 }), 0.5)).toBe(0.1)
})

test('lists what was refused, the most frequent first, and nothing that was accepted', () => {
  const samples = parseMetrics(`
peergate_http_request_seconds_count{operation="getNode",status="200"} 90
peergate_http_request_seconds_count{operation="getNode",status="401"} 2
peergate_http_request_seconds_count{operation="getPeer",status="404"} 0
peergate_network_limits_reached_total{limit="links"} 5
peergate_failed_writes_total{code="ENOSPC"} 1
peergate_received_messages_total{verdict="accept"} 70
peergate_received_messages_total{verdict="reject"} 3
`)
  expect(refusals(samples)).toEqual([
    { what: 'network', why: 'limit reached: links', count: 5 },
    { what: 'message of a peer', why: 'verdict: reject', count: 3 },
    { what: 'request: getNode', why: 'no valid token', count: 2 },
    { what: 'write to the database', why: 'ENOSPC', count: 1 },
  ])
})
