import { WebSocket } from 'ws'
import { type EngineName, type GatewayProcess, startGateway } from '../test/fixtures/gateway-process.ts'
import { startServer } from './child.ts'
import { benchEnvironment } from './environment.ts'
import { createHttpClient } from './http-client.ts'
import type { BenchResult, BenchRow } from './result.ts'
import { percentile } from './statistics.ts'
import { temporaryDirectory } from './temporary-directory.ts'

/**
 * A request to a service: from a client over HTTP, through two gateways, to a client on a WebSocket and back, one at a time. Beside it, in the
 * same run, what it is made of: a round trip of HTTP to a bare server, one of a bare WebSocket, and the link's own (a ping between the gateways).
 */

const rounds = 1_000
const warmUps = 200
const data = 'x'.repeat(256)

export async function benchRequest(): Promise<BenchResult> {
  const rows = [...(await bare()), ...(await through('custom')), ...(await through('libp2p'))]
  return { name: 'a request to a service, one at a time, p50', rows }
}

async function bare(): Promise<BenchRow[]> {
  await using resources = new AsyncDisposableStack()
  const http = resources.adopt(await startServer('./bare/http.ts', ['{}']), (started) => started.end())
  const client = createHttpClient(http.url, 1)
  resources.defer(() => client.close())
  const body = JSON.stringify({ data })
  return [{ label: 'HTTP to a bare node:http', value: await median(() => client.post('/', body)), unit: 'ms' }]
}

async function through(engine: EngineName): Promise<BenchRow[]> {
  await using resources = new AsyncDisposableStack()
  const start = async (more: Record<string, string> = {}) => {
    const gateway = await startGateway({ ...benchEnvironment(await temporaryDirectory(resources), engine), ...more })
    resources.defer(async () => void (await gateway.end('SIGTERM')))
    return gateway
  }
  const there = await start()
  const here = await start({ PEERGATE_BOOTSTRAP: there.multiaddrs.join(',') })
  const server = await serve(there)
  resources.defer(() => server.terminate())
  const client = createHttpClient(here.url, 1)
  resources.defer(() => client.close())
  const body = JSON.stringify({ data })
  const ping = await median(() => client.post(`/v1/peers/${there.peerId}/ping`, ''))
  const request = await median(async () => {
    const { status, body: text } = await client.post(`/v1/peers/${there.peerId}/requests/echo`, body)
    if (status !== 200) throw new Error(`a request answered ${status}: ${text}`)
  })
  return [
    { label: `${engine}: a ping of the other gateway, asked for over HTTP`, value: ping, unit: 'ms' },
    { label: `${engine}: a request`, value: request, unit: 'ms', ofLimit: request / ping },
  ]
}

/** A client that answers with what it is asked. */
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

/** In milliseconds, of one after another. */
async function median(work: () => Promise<unknown>): Promise<number> {
  const times: number[] = []
  for (let round = 0; round < warmUps + rounds; round++) {
    const start = performance.now()
    await work()
    if (round >= warmUps) times.push(performance.now() - start)
  }
  return percentile(times, 0.5)
}
