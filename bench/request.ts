import { once } from 'node:events'
import { WebSocket } from 'ws'
import { type EngineName, type GatewayProcess, startGateway } from '../test/fixtures/gateway-process.ts'
import { startChild, startServer } from './child.ts'
import { benchEnvironment } from './environment.ts'
import { createHttpClient, type HttpClient } from './http-client.ts'
import type { BenchResult, BenchRow } from './result.ts'
import { timeRoundTrips } from './round-trips.ts'
import { percentile } from './statistics.ts'
import { temporaryDirectory } from './temporary-directory.ts'

/**
 * A request to a service: from a client over HTTP, through two gateways, to a client on a WebSocket and back, one at a
 * time. The limit, in the same run and with the same data in both directions, is the sum of its parts: HTTP to a bare
 * server once for each of the two clients, and between the gateways a round trip on a bare WebSocket, or on a new
 * stream between two bare libp2p nodes.
 */

const data = 'x'.repeat(256)
/** Rounds alternate, so that a busy moment of the machine affects all. */
const turns = 12
/** Warm-up rounds: latencies fall during them. */
const warmUps = 6
const roundTripsPerTurn = 500

interface Subject {
  /** Runs `count` round trips, one after another; returns milliseconds of each. */
  measure(count: number): Promise<number[]>
  times: number[]
}

export async function benchRequest(): Promise<BenchResult> {
  await using resources = new AsyncDisposableStack()
  const http = await bareHttp(resources)
  const links = { custom: await bareWebSocket(resources), libp2p: await bareStream(resources) }
  const requests = { custom: await request(resources, 'custom'), libp2p: await request(resources, 'libp2p') }
  const subjects = [http, ...Object.values(links), ...Object.values(requests).flatMap(({ near, far }) => [near, far])]
  for (let turn = 0; turn < turns; turn++) {
    for (const { measure, times } of subjects) {
      const measured = await measure(roundTripsPerTurn)
      if (turn >= warmUps) times.push(...measured)
    }
  }
  const hop = median(http)
  return {
    name: `a request to a service, one at a time, ${data.length} bytes in each direction, p50`,
    rows: [
      { label: 'HTTP to a bare node:http', value: hop, unit: 'ms' },
      ...compared('custom', 'bare ws', { hop, link: median(links.custom), ...medians(requests.custom) }),
      ...compared('libp2p', 'a new stream of bare libp2p', { hop, link: median(links.libp2p), ...medians(requests.libp2p) }),
    ],
  }
}

function median({ times }: Subject): number {
  return percentile(times, 0.5)
}

function medians({ near, far }: Request): { near: number; far: number } {
  return { near: median(near), far: median(far) }
}

function compared(engine: EngineName, bare: string, measured: { hop: number; link: number; near: number; far: number }): BenchRow[] {
  const { hop, link, near, far } = measured
  const limit = link + 2 * hop
  return [
    { label: `${engine}: ${bare}`, value: link, unit: 'ms' },
    { label: `${engine}: that and two HTTP hops`, value: limit, unit: 'ms' },
    { label: `${engine}: a request within one gateway`, value: near, unit: 'ms' },
    { label: `${engine}: a request from one gateway to another`, value: far, unit: 'ms', ofLimit: far / limit },
  ]
}

/** Requests to a client of the same gateway, and to a client of another gateway. */
interface Request {
  near: Subject
  far: Subject
}

/** Measured by a client in this process. */
function subject(roundTrip: () => Promise<void>): Subject {
  return { measure: (count) => timeRoundTrips(count, roundTrip), times: [] }
}

async function bareHttp(resources: AsyncDisposableStack): Promise<Subject> {
  const server = resources.adopt(await startServer('./bare/http.ts', [JSON.stringify({ data })]), (started) => started.end())
  const client = resources.adopt(createHttpClient(server.url, 1), (opened) => opened.close())
  return subject(() => post(client, '/'))
}

async function bareWebSocket(resources: AsyncDisposableStack): Promise<Subject> {
  const server = resources.adopt(await startServer('./bare/web-socket-echo.ts'), (started) => started.end())
  const socket = new WebSocket(server.url.replace('http', 'ws'), { perMessageDeflate: false })
  resources.defer(() => socket.terminate())
  await once(socket, 'open')
  const message = Buffer.from(data)
  let waiting: PromiseWithResolvers<void> | undefined
  socket.on('message', () => waiting?.resolve())
  socket.on('close', () => waiting?.reject(new Error('the server ended the connection')))
  return subject(() => {
    waiting = Promise.withResolvers()
    socket.send(message)
    return waiting.promise
  })
}

async function bareStream(resources: AsyncDisposableStack): Promise<Subject> {
  const listener = resources.adopt(startChild('./bare/libp2p.ts', ['listen']), (started) => started.end())
  const { multiaddr } = await listener.next<{ multiaddr: string }>()
  const dialer = resources.adopt(startChild('./bare/libp2p.ts', ['dial', multiaddr, String(data.length)]), (started) => started.end())
  return {
    measure: async (count) => (await dialer.ask<{ times: number[] }>({ count })).times,
    times: [],
  }
}

async function request(resources: AsyncDisposableStack, engine: EngineName): Promise<Request> {
  const start = async (more: Record<string, string> = {}) => {
    const gateway = await startGateway({ ...benchEnvironment(await temporaryDirectory(resources), engine), ...more })
    resources.defer(async () => void (await gateway.end('SIGTERM')))
    return gateway
  }
  const there = await start()
  const here = await start({ PEERGATE_BOOTSTRAP: there.multiaddrs.join(',') })
  for (const gateway of [there, here]) {
    const server = await serve(gateway)
    resources.defer(() => server.terminate())
  }
  const client = resources.adopt(createHttpClient(here.url, 1), (opened) => opened.close())
  const ask = ({ peerId }: GatewayProcess) => subject(() => post(client, `/v1/peers/${peerId}/requests/echo`))
  return { near: ask(here), far: ask(there) }
}

const body = JSON.stringify({ data })

/** @throws Error when the answer lacks the data */
async function post(client: HttpClient, path: string): Promise<void> {
  const { status, body: text } = await client.post(path, body)
  if (!text.includes(data)) throw new Error(`${path} answered ${status}: ${text}`)
}

/** A client that echoes requests. */
async function serve({ url }: GatewayProcess): Promise<WebSocket> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/stream`)
  const serving = Promise.withResolvers<void>()
  socket.on('message', (raw) => {
    const frame = JSON.parse(raw.toString())
    if (frame.type === 'welcome') socket.send(JSON.stringify({ type: 'serve', service: 'echo', concurrency: 10 }))
    else if (frame.type === 'serving') serving.resolve()
    else if (frame.type === 'request') socket.send(JSON.stringify({ type: 'reply', requestId: frame.requestId, data: frame.data }))
  })
  await serving.promise
  return socket
}
