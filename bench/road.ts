import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { WebSocket } from 'ws'
import { checkSignature, createMessageSigner } from '../src/model/signed-message.ts'
import { type EngineName, type GatewayProcess, startGateway } from '../test/fixtures/gateway-process.ts'
import { createMemoryIdentity } from '../test/fixtures/memory-identity.ts'
import { startChild } from './child.ts'
import { benchEnvironment } from './environment.ts'
import { createHttpClient, type HttpClient } from './http-client.ts'
import type { BenchResult, BenchRow } from './result.ts'
import { percentile } from './statistics.ts'

/**
 * (a) The whole road: REST publish on A, stored, gossip, stored on B, a WebSocket subscriber of B. The limit, in the
 * same run, is the engine alone: the same messages from one node to another in two processes, without gateway and
 * database.
 */

const payload = 'x'.repeat(256)
const connections = 64

export async function benchRoad(init: { messages: number }): Promise<BenchResult> {
  const bare = await signAndVerifyRate(init.messages)
  const rows: BenchRow[] = [{ label: 'bare signing in one process, verifying in another', value: bare, unit: 'messages/s' }]
  for (const engine of ['custom', 'libp2p'] as const) rows.push(...(await benchEngine(engine, init.messages, bare)))
  return { name: '(a) REST publish on A → stored → gossip → stored on B → WebSocket subscriber of B', rows }
}

async function benchEngine(engine: EngineName, messages: number, bare: number): Promise<BenchRow[]> {
  const alone = await engineRate(engine, messages)
  const directory = await mkdtemp(join(tmpdir(), 'peergate-bench-'))
  const b = await startGateway(benchEnvironment(join(directory, 'b'), engine))
  const a = await startGateway({ ...benchEnvironment(join(directory, 'a'), engine), PEERGATE_BOOTSTRAP: b.multiaddrs.join(',') })
  try {
    const subscriber = await subscribe(b)
    const client = createHttpClient(a.url, connections)
    await untilNeighbour(a)
    await run(client, subscriber, messages / 4, Number.POSITIVE_INFINITY)
    const full = await run(client, subscriber, messages, Number.POSITIVE_INFINITY)
    const half = await run(client, subscriber, messages / 2, 500)
    client.close()
    subscriber.socket.terminate()
    return [
      { label: `${engine}: engine alone, two processes`, value: alone, unit: 'messages/s', ofLimit: alone / bare },
      {
        label: `${engine}: the road, 64 connections, every message received`,
        value: full.rate,
        unit: 'messages/s',
        ofLimit: full.rate / alone,
      },
      { label: `${engine}: p50 at 500/s`, value: percentile(half.latencies, 0.5), unit: 'ms' },
      { label: `${engine}: p99 at 500/s`, value: percentile(half.latencies, 0.99), unit: 'ms' },
    ]
  } finally {
    await a.end('SIGTERM')
    await b.end('SIGTERM')
    await rm(directory, { recursive: true })
  }
}

interface Subscriber {
  socket: WebSocket
  /** Arrival time of each message, by its data. */
  arrivals: Map<string, number>
  onArrival: () => void
}

async function subscribe(gateway: GatewayProcess): Promise<Subscriber> {
  const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/v1/stream?topic=bench`)
  const subscriber: Subscriber = { socket, arrivals: new Map(), onArrival: () => undefined }
  const caughtUp = new Promise<void>((resolve) => {
    socket.on('message', (raw) => {
      const frame = JSON.parse(raw.toString())
      if (frame.type === 'caught-up') resolve()
      if (frame.type !== 'message') return
      subscriber.arrivals.set(frame.message.data, performance.now())
      subscriber.onArrival()
    })
  })
  await once(socket, 'open')
  await caughtUp
  return subscriber
}

async function untilNeighbour(gateway: GatewayProcess): Promise<void> {
  await fetch(`${gateway.url}/v1/topics/bench`, { method: 'PUT' })
  for (;;) {
    const answer = await fetch(`${gateway.url}/v1/topics/bench`)
    const topic: unknown = await answer.json()
    if (Object(topic).subscribers > 0) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

let runs = 0

/**
 * Publishes `count` messages, at most `perSecond`, and waits for all at the subscriber. @throws when one is missing
 * after 30 s
 */
async function run(client: HttpClient, subscriber: Subscriber, count: number, perSecond: number) {
  const name = `run ${runs++}`
  const sent = new Map<string, number>()
  const complete = Promise.withResolvers<void>()
  const timeout = setTimeout(() => complete.reject(new Error(`${name}: ${subscriber.arrivals.size} of ${count} arrived`)), 30_000)
  subscriber.arrivals.clear()
  subscriber.onArrival = () => subscriber.arrivals.size === count && complete.resolve()
  const start = performance.now()
  let next = 0
  await Promise.all(
    Array.from({ length: connections }, async () => {
      for (let number = next++; number < count; number = next++) {
        const due = start + (number / perSecond) * 1_000
        if (due > performance.now()) await new Promise((resolve) => setTimeout(resolve, due - performance.now()))
        const data = `${name}/${number}/${payload}`
        sent.set(data, performance.now())
        const answer = await client.post('/v1/topics/bench/messages', JSON.stringify({ data }))
        if (answer.status !== 201) throw new Error(`publishing answered ${answer.status}: ${answer.body}`)
      }
    }),
  )
  await complete.promise
  clearTimeout(timeout)
  const end = Math.max(...subscriber.arrivals.values())
  const latencies = [...sent].map(([data, at]) => (subscriber.arrivals.get(data) ?? Number.NaN) - at)
  return { rate: count / ((end - start) / 1_000), latencies }
}

/** Messages a second from one engine to another, each in its own process. */
async function engineRate(engine: EngineName, count: number): Promise<number> {
  await using resources = new AsyncDisposableStack()
  const receiver = resources.adopt(startChild('./engine-peer.ts', [engine, 'receive', String(count)]), (started) => started.end())
  const { multiaddr } = await receiver.next<{ multiaddr: string }>()
  const sender = resources.adopt(startChild('./engine-peer.ts', [engine, 'send', String(count), multiaddr]), (started) => started.end())
  for (;;) {
    const { received, rate } = await receiver.next<{ received: number; rate: number }>()
    if (received === count) return rate
    sender.say({ received })
  }
}

/**
 * The upper bound for two processes, one signing and one verifying: the slower of the two, each measured alone here.
 */
async function signAndVerifyRate(count: number): Promise<number> {
  const { peerId, seed } = await createMemoryIdentity()
  const signer = createMessageSigner(peerId, seed)
  const data = Buffer.from(payload)
  const signing = performance.now()
  const messages = Array.from({ length: count }, (_, index) => signer.sign(BigInt(index), 'bench', data))
  const verifying = performance.now()
  for (const message of messages) if ((await checkSignature(message)) !== true) throw new Error('a signature is wrong')
  const end = performance.now()
  return count / (Math.max(verifying - signing, end - verifying) / 1_000)
}
