import { once } from 'node:events'
import { WebSocket } from 'ws'
import { type GatewayProcess, startGateway } from '../test/fixtures/gateway-process.ts'
import { benchEnvironment } from './environment.ts'
import { createHttpClient, type HttpClient } from './http-client.ts'
import type { BenchResult, BenchRow } from './result.ts'
import { percentile } from './statistics.ts'
import { temporaryDirectory } from './temporary-directory.ts'

/**
 * A consumer whose workers acknowledge each message by itself, over WebSocket: messages a second that are delivered and
 * durably acknowledged, when all are waiting. With one worker and with eight, on a short log, and again after many were
 * settled: the cost is not to grow with them. Then how long a message takes to the next worker when the connection of
 * the one that has it ends.
 */

const messages = 10_000
const payload = 'x'.repeat(256)
const perRequest = 500
const redeliveries = 100

export async function benchConsumers(): Promise<BenchResult> {
  await using resources = new AsyncDisposableStack()
  const gateway = await startGateway(benchEnvironment(await temporaryDirectory(resources), 'custom'))
  resources.defer(async () => void (await gateway.end('SIGTERM')))
  const client = resources.adopt(createHttpClient(gateway.url, 1), (opened) => opened.close())
  await create(gateway)
  const rows: BenchRow[] = []
  for (const round of ['', ', after 20,000 were settled']) {
    for (const workers of [1, 8]) {
      await publish(client, messages)
      const value = await rateOf(gateway, workers)
      rows.push({ label: `${workers} worker${workers === 1 ? '' : 's'}${round}`, value, unit: 'messages/s' })
    }
  }
  await publish(client, 1)
  const times = await redeliveryTimes(gateway)
  for (const share of [0.5, 0.99]) {
    rows.push({ label: `to another worker when one leaves, p${share * 100}`, value: percentile(times, share), unit: 'ms' })
  }
  return { name: `consumers, ${payload.length} bytes, each message acknowledged by itself, SQLite with an fsync`, rows }
}

async function create({ url }: GatewayProcess): Promise<void> {
  const headers = { 'content-type': 'application/json' }
  const answer = await fetch(`${url}/v1/consumers/bench`, { method: 'PUT', headers, body: JSON.stringify({ topics: ['bench'] }) })
  if (!answer.ok) throw new Error(`the consumer was answered ${answer.status}: ${await answer.text()}`)
}

async function publish(client: HttpClient, count: number): Promise<void> {
  for (let left = count; left > 0; left -= perRequest) {
    const batch = Array.from({ length: Math.min(left, perRequest) }, () => ({ topic: 'bench', data: payload }))
    const { status, body } = await client.post('/v1/messages', JSON.stringify({ messages: batch }))
    if (status !== 201) throw new Error(`publishing answered ${status}: ${body}`)
  }
}

/** A worker that calls `got` for each message and `acked` for each acknowledgement that was answered. */
async function work(url: string, on: { got(id: string, worker: WebSocket): void; acked?(): void }, maxUnacked = 100): Promise<WebSocket> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/stream`, { perMessageDeflate: false })
  socket.on('message', (raw) => {
    const frame = JSON.parse(raw.toString())
    if (frame.type === 'message') on.got(frame.message.id, socket)
    else if (frame.type === 'acked') on.acked?.()
    else if (frame.type === 'error') throw new Error(`the gateway answered ${frame.code}: ${frame.detail}`)
  })
  await once(socket, 'open')
  socket.send(JSON.stringify({ type: 'subscribe', consumer: 'bench', maxUnacked }))
  return socket
}

function ack(id: string, worker: WebSocket): void {
  worker.send(JSON.stringify({ type: 'ack', id: 0, consumer: 'bench', ids: [id] }))
}

/** Messages a second that so many workers are delivered and have acknowledged. */
async function rateOf({ url }: GatewayProcess, workers: number): Promise<number> {
  const done = Promise.withResolvers<void>()
  let left = messages
  const start = performance.now()
  const sockets = await Promise.all(
    Array.from({ length: workers }, () => work(url, { got: ack, acked: () => --left === 0 && done.resolve() })),
  )
  await done.promise
  const rate = messages / ((performance.now() - start) / 1_000)
  for (const socket of sockets) socket.terminate()
  return rate
}

/** Milliseconds from the end of a worker's connection until another one, which waits, has its message. */
async function redeliveryTimes({ url }: GatewayProcess): Promise<number[]> {
  const times: number[] = []
  let got = Promise.withResolvers<void>()
  const join = () => work(url, { got: () => got.resolve() })
  let worker = await join()
  await got.promise
  while (times.length < redeliveries) {
    const next = await join()
    got = Promise.withResolvers()
    const leftAt = performance.now()
    worker.terminate()
    await got.promise
    times.push(performance.now() - leftAt)
    worker = next
  }
  worker.terminate()
  return times
}
