import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { WebSocket } from 'ws'
import { type GatewayProcess, quietEnvironment, startGateway } from '../test/fixtures/gateway-process.ts'
import { startChild } from './child.ts'
import { createHttpClient, type HttpClient } from './http-client.ts'
import type { BenchResult } from './result.ts'
import { percentile } from './statistics.ts'

/**
 * (a) The whole road: REST publish on A, stored, gossip, stored on B, B's WebSocket subscriber. Beside it, in the same run, the engine
 * alone: the same messages from one node to another in two processes, without gateway and database.
 */

const payload = 'x'.repeat(256)
const connections = 64

export async function benchRoad(init: { messages: number }): Promise<BenchResult> {
  const engine = await engineRate(init.messages)
  const directory = await mkdtemp(join(tmpdir(), 'peergate-bench-'))
  const b = await startGateway(quietEnvironment(join(directory, 'b')))
  const a = await startGateway({ ...quietEnvironment(join(directory, 'a')), PEERGATE_BOOTSTRAP: b.multiaddrs.join(',') })
  try {
    const subscriber = await subscribe(b)
    const client = createHttpClient(a.url, connections)
    await untilNeighbour(a)
    await run(client, subscriber, init.messages / 4, Number.POSITIVE_INFINITY)
    const full = await run(client, subscriber, init.messages, Number.POSITIVE_INFINITY)
    const half = await run(client, subscriber, init.messages / 2, 500)
    client.close()
    subscriber.socket.terminate()
    return {
      name: '(a) REST publish on A → stored → gossip → stored on B → WebSocket subscriber of B',
      rows: [
        { label: 'engine alone, two processes', value: engine, unit: 'messages/s' },
        { label: 'the road, 64 connections, every message received', value: full.rate, unit: 'messages/s', ofLimit: full.rate / engine },
        { label: 'p50 at 500/s', value: percentile(half.latencies, 0.5), unit: 'ms' },
        { label: 'p99 at 500/s', value: percentile(half.latencies, 0.99), unit: 'ms' },
      ],
    }
  } finally {
    await a.end('SIGTERM')
    await b.end('SIGTERM')
    await rm(directory, { recursive: true })
  }
}

interface Subscriber {
  socket: WebSocket
  /** When each message arrived, by its data. */
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

/** Publishes so many messages, at most `perSecond`, and waits for every one at the subscriber. @throws when one is missing after 30 s */
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

/** Messages a second from one engine to another, each in a process of its own. */
async function engineRate(count: number): Promise<number> {
  await using resources = new AsyncDisposableStack()
  const receiver = resources.adopt(startChild('./engine-peer.ts', ['receive', String(count)]), (started) => started.end())
  const { multiaddr } = await receiver.next<{ multiaddr: string }>()
  const sender = resources.adopt(startChild('./engine-peer.ts', ['send', String(count), multiaddr]), (started) => started.end())
  for (;;) {
    const { received, rate } = await receiver.next<{ received: number; rate: number }>()
    if (received === count) return rate
    sender.say({ received })
  }
}
