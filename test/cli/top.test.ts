import { EventEmitter } from 'node:events'
import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { parseMetrics } from '../../console/metrics.ts'
import { commandLimits } from '../../src/cli/limits.ts'
import { type Figures, figuresOf, type Look } from '../../src/cli/top/figures.ts'
import { renderScreen } from '../../src/cli/top/screen.ts'
import { openScreen } from '../../src/cli/top/terminal.ts'
import { watchGateway } from '../../src/cli/top/watch.ts'
import { nodeExample, peerExample, topicExample } from '../../src/http/examples.ts'
import { defaultLimits } from '../../src/limits.ts'

const metrics = (published: number, cpuSeconds: number) =>
  parseMetrics(`peergate_published_messages_total ${published}
peergate_received_messages_total{verdict="accept"} ${2 * published}
peergate_received_messages_total{verdict="reject"} ${published / 10}
peergate_http_request_seconds_count{operation="publishToTopic",status="201"} ${published}
peergate_http_request_seconds_count{operation="publishToTopic",status="429"} ${published / 10}
peergate_inbox_messages 7
process_resident_memory_bytes 104857600
process_cpu_seconds_total ${cpuSeconds}
`)

function lookAt(at: number, change: Partial<Look> = {}): Look {
  const node = { ...nodeExample, uptimeMs: at }
  return { at, node, topics: [topicExample], peers: [peerExample], metrics: metrics(100, 1), ...change }
}

test('rates are those between two looks, and there are none after the first look or a restart', () => {
  const first = lookAt(10_000)
  const second = lookAt(12_000, { topics: [{ ...topicExample, messages: topicExample.messages + 30 }], metrics: metrics(200, 2) })
  const figures = figuresOf(first, second)
  expect(figures.perSecond).toEqual({ published: 50, received: 100, requests: 55, refused: 10 })
  expect(figures.process).toMatchObject({ cpuPercent: 50, residentBytes: 104_857_600 })
  expect(figures.topics).toMatchObject([{ topic: 'orders', growthPerSecond: 15 }])
  const restarted = { ...second, node: { ...second.node, uptimeMs: 1_000 } }
  for (const [before, now] of [
    [undefined, second],
    [first, restarted],
  ] as const) {
    const without = figuresOf(before, now)
    expect(without.perSecond).toBeNull()
    expect(without.process).toMatchObject({ cpuPercent: null })
    expect(without.topics).toMatchObject([{ growthPerSecond: null }])
  }
})

test('rates of a topic are those of its counts, which may begin anew', () => {
  const withTraffic = (stored: number, delivered: number, sent: number) => ({
    topics: [{ ...topicExample, traffic: { stored, delivered, sent } }],
  })
  const first = lookAt(10_000, withTraffic(100, 50, 10))
  expect(figuresOf(undefined, first).topics).toMatchObject([{ inPerSecond: null, outPerSecond: null }])
  expect(figuresOf(first, lookAt(12_000, withTraffic(120, 70, 16))).topics).toMatchObject([{ inPerSecond: 10, outPerSecond: 13 }])
  expect(figuresOf(first, lookAt(12_000, withTraffic(6, 4, 2))).topics).toMatchObject([{ inPerSecond: 3, outPerSecond: 3 }])
})

test('rates of a peer are those of its link, which may be a new one', () => {
  const withTraffic = (messagesIn: number, messagesOut: number) => ({
    peers: [{ ...peerExample, traffic: { messagesIn, bytesIn: 0, messagesOut, bytesOut: 0 } }],
  })
  const first = lookAt(10_000, withTraffic(100, 50))
  expect(figuresOf(undefined, first).peers).toMatchObject([{ inPerSecond: null, outPerSecond: null, score: peerExample.score }])
  expect(figuresOf(first, lookAt(12_000, withTraffic(120, 50))).peers).toMatchObject([{ inPerSecond: 10, outPerSecond: 0 }])
  expect(figuresOf(first, lookAt(12_000, withTraffic(6, 4))).peers).toMatchObject([{ inPerSecond: 3, outPerSecond: 2 }])
})

test('without metrics the figures of REST are left', () => {
  const figures = figuresOf(lookAt(1_000, { metrics: undefined }), lookAt(2_000, { metrics: undefined }))
  expect(figures).toMatchObject({ perSecond: null, waiting: null, clients: null, process: null, topics: [{ growthPerSecond: 0 }] })
  expect(renderScreen(figures, { ...everything, sorting: 'topic' }).join('\n')).toContain('PEERGATE_METRICS_PORT')
})

const everything = { url: 'http://127.0.0.1:7070', columns: Number.POSITIVE_INFINITY, rows: Number.POSITIVE_INFINITY }

/** Figures of topics `0` to `count - 1`: the later the name, the fewer messages and the more growth. */
function figuresWith(count: number, peers = 2): Figures {
  const topics = Array.from({ length: count }, (_, index) => ({ ...topicExample, topic: String(index), messages: 900 - index }))
  const grown = topics.map((topic, index) => ({ ...topic, messages: topic.messages + index }))
  const linked = Array.from({ length: peers }, () => peerExample)
  return figuresOf(lookAt(1_000, { topics }), lookAt(2_000, { topics: grown, peers: linked }))
}

const namesOf = (lines: string[]) => lines.flatMap((line) => /^(\d+) .* yes$/.exec(line)?.[1] ?? [])

test('the screen has all figures where there is room for them', () => {
  const lines = renderScreen(figuresWith(3), { ...everything, sorting: 'growth', failure: 'No gateway answers. Trying again.' })
  expect(lines[0]).toBe('peergate 0.1.0 (libp2p, direct) at http://127.0.0.1:7070, up 2 s: 3 peers, 1 joined topic')
  expect(lines).toContain('! No gateway answers. Trying again.')
  expect(lines.find((line) => line.startsWith('waiting'))).toContain('7 publications (0 B)')
  expect(lines.find((line) => line.startsWith('process'))).toContain('memory 100 MiB')
  expect(lines.filter((line) => line.startsWith(peerExample.peerId))).toHaveLength(2)
  expect(namesOf(lines)).toEqual(['2', '1', '0'])
})

test.each([
  ['messages', ['0', '1', '2']],
  ['topic', ['0', '1', '2']],
] as const)('topics are sorted by %s, the column with the star', (sorting, names) => {
  const figures = figuresWith(3)
  for (const [index, topic] of figures.topics.entries()) topic.messages = 10 - index
  const lines = renderScreen(figures, { ...everything, sorting })
  expect(namesOf(lines)).toEqual(names)
  expect(lines.join('\n')).toContain(`${sorting.toUpperCase()}*`)
})

test.each([
  [80, 24],
  [40, 12],
  [10, 3],
])('the screen is never wider or higher than a terminal of %i by %i', (columns, rows) => {
  const lines = renderScreen(figuresWith(100, 50), { ...everything, columns, rows, sorting: 'growth' })
  expect(lines.length).toBe(rows)
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(columns)
  if (rows === 24) expect(lines.filter((line) => /^and \d+ more$/.test(line))).toHaveLength(2)
})

test('what others have named does nothing to the terminal', () => {
  const hostile = figuresOf(undefined, lookAt(1_000, { peers: [{ ...peerExample, label: '\u001b[2Jevil\nname' }] }))
  const lines = renderScreen(hostile, { ...everything, sorting: 'topic' })
  expect(lines.filter((line) => line.includes('evil'))).toEqual([expect.stringMatching(/^evil\\nname /)])
})

test('a terminal gets its screen back, and its keys are told', () => {
  const written: string[] = []
  const stdout = Object.assign(new EventEmitter(), { columns: 80, rows: 24, write: (text: string) => written.push(text) > 0 })
  const raw: boolean[] = []
  const stdin = Object.assign(new PassThrough(), { isTTY: true, setRawMode: (on: boolean) => raw.push(on) })
  const keys: string[] = []
  {
    using screen = openScreen({ stdin, stdout }, (key) => keys.push(key))
    screen.show(['one', 'two'])
    stdin.emit('data', Buffer.from('\u001b[Dq\u0003'))
    stdout.emit('resize')
  }
  stdin.emit('data', Buffer.from('q'))
  expect(keys).toEqual(['left', 'q', 'q', 'resize'])
  expect(raw).toEqual([true, false])
  expect(written.at(1)).toBe('\u001b[Hone\u001b[K\r\ntwo\u001b[K\u001b[J')
  expect(written.at(-1)).toContain('\u001b[?1049l')
})

test('a gateway that has never answered, or refuses, ends the watching', async () => {
  const remote = {
    url: '',
    call: async () => Promise.reject(new Error('refused')),
    patiently: async () => Promise.reject(new Error('not used')),
  }
  await expect(watchGateway(remote, new AbortController().signal).next()).rejects.toThrow('refused')
  expect(commandLimits.pageItems).toBeLessThanOrEqual(defaultLimits.maxReadMessages)
})
