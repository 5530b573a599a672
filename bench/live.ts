import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { WebSocket } from 'ws'
import { type EngineName, type GatewayProcess, startGateway } from '../test/fixtures/gateway-process.ts'
import { benchEnvironment } from './environment.ts'
import { createHttpClient, type HttpClient } from './http-client.ts'
import type { BenchResult, BenchRow } from './result.ts'

/**
 * (l) Live delivery at full speed: messages that one gateway answers with 201, counted on the stream of its neighbour,
 * in three processes. History between gateways is off, since it would later fetch the messages that gossip has lost.
 */

const engines: readonly EngineName[] = ['custom', 'libp2p']
const connections = 64
/** Milliseconds without a message after which the rest counts as lost. */
const silenceMs = 10_000

export async function benchLive(init: { messages: number }): Promise<BenchResult> {
  const rows: BenchRow[] = []
  for (const engine of engines) rows.push(...(await benchEngine(engine, init.messages)))
  return { name: `(l) ${init.messages} messages acknowledged by one gateway and received live at another`, rows }
}

async function benchEngine(engine: EngineName, messages: number): Promise<BenchRow[]> {
  const directory = await mkdtemp(join(tmpdir(), 'peergate-bench-'))
  const environment = (name: string) => ({ ...benchEnvironment(join(directory, name), engine), PEERGATE_HISTORY: 'false' })
  const b = await startGateway(environment('b'))
  const a = await startGateway({ ...environment('a'), PEERGATE_BOOTSTRAP: b.multiaddrs.join(',') })
  const client = createHttpClient(a.url, connections)
  const subscriber = await subscribe(b)
  try {
    await untilNeighbour(a)
    const start = performance.now()
    await publishAll(client, messages)
    const acknowledged = performance.now()
    while (subscriber.received < messages && performance.now() - Math.max(acknowledged, subscriber.lastAt) < silenceMs) {
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    const { received, lastAt } = subscriber
    return [
      { label: `${engine}: acknowledged`, value: messages / ((acknowledged - start) / 1_000), unit: 'messages/s' },
      { label: `${engine}: received live`, value: received, unit: 'messages', ofLimit: received / messages },
      { label: `${engine}: received live, from the first 201`, value: received / ((lastAt - start) / 1_000), unit: 'messages/s' },
      { label: `${engine}: delay of the last message after the last 201`, value: lastAt - acknowledged, unit: 'ms' },
    ]
  } finally {
    client.close()
    subscriber.socket.terminate()
    await a.end('SIGTERM')
    await b.end('SIGTERM')
    await rm(directory, { recursive: true })
  }
}

/** Messages of one request: in sum more a second than the neighbour takes. */
const batch = 50

async function publishAll(client: HttpClient, messages: number): Promise<void> {
  const body = JSON.stringify({ messages: Array.from({ length: batch }, () => ({ topic: 'bench', data: 'x'.repeat(256) })) })
  let left = messages
  const publish = async () => {
    while (left > 0) {
      left -= batch
      const answer = await client.post('/v1/messages', body)
      if (answer.status !== 201) throw new Error(`publishing answered ${answer.status}: ${answer.body}`)
    }
  }
  await Promise.all(Array.from({ length: connections }, publish))
}

interface Subscriber {
  socket: WebSocket
  received: number
  lastAt: number
}

async function subscribe(gateway: GatewayProcess): Promise<Subscriber> {
  const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/v1/stream?topic=bench`)
  const subscriber: Subscriber = { socket, received: 0, lastAt: 0 }
  const caughtUp = Promise.withResolvers<void>()
  socket.on('message', (frame: Buffer) => {
    if (frame.includes('"caught-up"')) caughtUp.resolve()
    if (!frame.includes('"type":"message"')) return
    subscriber.received++
    subscriber.lastAt = performance.now()
  })
  await once(socket, 'open')
  await caughtUp.promise
  return subscriber
}

async function untilNeighbour(gateway: GatewayProcess): Promise<void> {
  await fetch(`${gateway.url}/v1/topics/bench`, { method: 'PUT' })
  for (;;) {
    const topic: unknown = await (await fetch(`${gateway.url}/v1/topics/bench`)).json()
    if (Object(topic).subscribers > 0) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}
