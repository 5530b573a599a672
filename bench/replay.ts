import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'
import { startGateway } from '../test/fixtures/gateway-process.ts'
import { benchEnvironment } from './environment.ts'
import { createHttpClient } from './http-client.ts'
import type { BenchResult } from './result.ts'
import { percentile } from './statistics.ts'
import { fillStore } from './stored-messages.ts'
import { startSubscribers } from './subscribers.ts'
import { temporaryDirectory } from './temporary-directory.ts'

/**
 * (c) Replay of stored messages, from the first to the last, over the WebSocket and page by page over REST. The limit,
 * in the same run, is the bare driver's scan of the same rows: the same pages, every column, no processing.
 */

const messages = 100_000
const pageSize = 500
const data = Buffer.alloc(256, 'x')
/** Rounds alternate, so that a busy moment of the machine affects all; the first is a warm-up. */
const rounds = 4
/** `welcome`, `subscribed`, and after the messages `caught-up` */
const framesBeside = 3

export async function benchReplay(): Promise<BenchResult> {
  await using resources = new AsyncDisposableStack()
  const directory = await temporaryDirectory(resources)
  const url = pathToFileURL(join(directory, 'peergate.db')).href
  await fillStore({ url, servedMarkFile: join(directory, 'served') }, { topic: 'bench', data, count: messages })
  const gateway = await startGateway(benchEnvironment(directory))
  resources.defer(async () => void (await gateway.end('SIGTERM')))
  const scans: number[] = []
  const streams: number[] = []
  const pages: number[] = []
  for (let round = 0; round < rounds; round++) {
    scans.push(await rate(async () => scan(join(directory, 'peergate.db'))))
    streams.push(await streamRate(gateway.url))
    pages.push(await rate(() => readPages(gateway.url)))
  }
  const [limit, stream, page] = [median(scans), median(streams), median(pages)]
  const unit = 'messages/s'
  return {
    name: `(c) replay of ${messages} messages with ${data.length} bytes of data`,
    rows: [
      { label: `bare driver's scan, pages of ${pageSize}`, value: limit, unit },
      { label: 'WebSocket, from earliest', value: stream, unit, ofLimit: stream / limit },
      { label: `REST, pages of ${pageSize}`, value: page, unit, ofLimit: page / limit },
      { label: 'slowest other request during a WebSocket replay', value: await slowestMeanwhile(gateway.url), unit: 'ms' },
    ],
  }
}

/** The median, without the warm-up. */
function median(rates: number[]): number {
  return percentile(rates.slice(1), 0.5)
}

async function rate(work: () => Promise<number>): Promise<number> {
  const start = performance.now()
  const read = await work()
  if (read !== messages) throw new Error(`${read} of ${messages} messages were read`)
  return messages / ((performance.now() - start) / 1_000)
}

function scan(path: string): number {
  using database = new DatabaseSync(path, { readOnly: true })
  const select = database.prepare('SELECT * FROM "Message" WHERE "topic" = ? AND "seq" > ? ORDER BY "seq" LIMIT ?')
  let read = 0
  for (let after = 0; ; ) {
    const rows = select.all('bench', after, pageSize)
    if (rows.length === 0) return read
    read += rows.length
    after = Number(rows.at(-1)?.['seq'])
  }
}

async function streamRate(url: string): Promise<number> {
  await using resources = new AsyncDisposableStack()
  const subscriber = resources.adopt(startSubscribers(), (started) => started.end())
  await subscriber.started()
  return await rate(async () => {
    await subscriber.connect({ url: `${url}/v1/stream?topic=bench&after=earliest`, count: 1, greeting: 1 })
    await subscriber.receive(messages + framesBeside)
    return messages
  })
}

/** Maximum latency of another client during a replay, in milliseconds. */
async function slowestMeanwhile(url: string): Promise<number> {
  await using resources = new AsyncDisposableStack()
  const client = resources.adopt(createHttpClient(url, 1), (opened) => opened.close())
  const replayed = new AbortController()
  const replaying = streamRate(url).finally(() => replayed.abort())
  let slowest = 0
  while (!replayed.signal.aborted) {
    const start = performance.now()
    await client.get('/healthz')
    slowest = Math.max(slowest, performance.now() - start)
  }
  await replaying
  return slowest
}

async function readPages(url: string): Promise<number> {
  const client = createHttpClient(url, 1)
  let read = 0
  for (let after = 'earliest'; ; ) {
    const { status, body } = await client.get(`/v1/topics/bench/messages?after=${after}&limit=${pageSize}`)
    if (status !== 200) throw new Error(`reading answered ${status}: ${body}`)
    read += body.split('"cursor":').length - 1
    const end = /"newer":"([^"]+)","older":"[^"]+","caughtUp":(true|false)\}$/.exec(body.slice(-200))
    if (end?.[1] === undefined) throw new Error(`a page has no next cursor: ${body.slice(-200)}`)
    if (end[2] === 'true') break
    after = end[1]
  }
  client.close()
  return read
}
