import { setTimeout as delay } from 'node:timers/promises'
import { quietEnvironment, startGateway } from '../test/fixtures/gateway-process.ts'
import { benchAttacks } from './attacks.ts'
import { benchEnvironment } from './environment.ts'
import { createHttpClient } from './http-client.ts'
import type { BenchResult, BenchRow } from './result.ts'
import { percentile } from './statistics.ts'
import { temporaryDirectory } from './temporary-directory.ts'

/**
 * Overload: three times the capacity of a gateway, offered without waiting for its answers; the share of refusals by
 * code, and the latency of the rest. Once by clients that are within their rate limits together, so that the gateway
 * itself has to refuse; once by one client. Then the latency of an honest client during each attack of
 * test/fixtures/attacks.
 */

const batch = 100
const data = 'x'.repeat(256)
const body = JSON.stringify({ messages: Array.from({ length: batch }, () => ({ topic: 'bench', data })) })
const connections = 1_000
const seconds = 8
/** Milliseconds between two volleys of requests. */
const tickMs = 20

export async function benchOverload(): Promise<BenchResult> {
  const many = await overloaded('many clients', benchEnvironment)
  const one = await overloaded('one client, with the default budget', quietEnvironment)
  return {
    name: `overload: arrays of ${batch} messages of ${data.length} bytes at three times the capacity`,
    rows: [...many, ...one, ...(await benchAttacks())],
  }
}

async function overloaded(label: string, environmentIn: typeof quietEnvironment): Promise<BenchRow[]> {
  await using resources = new AsyncDisposableStack()
  const gateway = await startGateway(environmentIn(await temporaryDirectory(resources)))
  resources.defer(async () => void (await gateway.end('SIGTERM')))
  const capacity = await takenPerSecond(gateway.url)
  // The rate limit has recovered.
  await delay(3_000)
  const client = createHttpClient(gateway.url, connections)
  resources.defer(() => client.close())
  // Connections are opened in advance: Node.js accepts one new connection in a turn of the event loop.
  await Promise.all(Array.from({ length: connections }, () => client.get('/healthz')))
  const answers = new Map<string, number>()
  const latencies: number[] = []
  let busy = 0

  async function post(): Promise<void> {
    busy++
    const start = performance.now()
    const { status, body: text } = await client.post('/v1/messages', body)
    busy--
    if (status === 201) latencies.push(performance.now() - start)
    const name = status === 201 ? 'taken' : `refused: ${status} ${JSON.parse(text).code}`
    answers.set(name, (answers.get(name) ?? 0) + 1)
  }

  const perMs = (3 * capacity) / batch / 1_000
  const asked: Array<Promise<void>> = []
  let unsent = 0
  const start = performance.now()
  for (let offered = 0; performance.now() - start < seconds * 1_000; await delay(tickMs)) {
    for (const due = (performance.now() - start) * perMs; offered < due; offered++) {
      if (busy < connections) asked.push(post())
      else unsent++
    }
  }
  await Promise.all(asked)
  const total = asked.length + unsent
  const elapsed = (performance.now() - start) / 1_000
  const shares = [...answers].toSorted().map(([name, count]) => ({ label: `${label}: ${name}`, value: (count / total) * 100, unit: '%' }))
  return [
    { label: `${label}: accepted in a closed loop`, value: capacity, unit: 'messages/s' },
    { label: `${label}: offered`, value: (total * batch) / seconds, unit: 'messages/s' },
    {
      label: `${label}: accepted`,
      value: (latencies.length * batch) / elapsed,
      unit: 'messages/s',
      ofLimit: (latencies.length * batch) / elapsed / capacity,
    },
    { label: `${label}: p99 of accepted requests`, value: percentile(latencies, 0.99), unit: 'ms' },
    ...shares,
    { label: `${label}: not sent, all ${connections} connections busy`, value: (unsent / total) * 100, unit: '%' },
  ]
}

/** Messages a second in a closed loop. */
async function takenPerSecond(url: string): Promise<number> {
  const client = createHttpClient(url, 16)
  let count = 0
  let start = 0
  for (const [warm, requests] of [
    [true, 100],
    [false, 600],
  ] as const) {
    count = 0
    start = performance.now()
    await Promise.all(
      Array.from({ length: 16 }, async () => {
        while (count < requests) {
          count++
          const { status, body: text } = await client.post('/v1/messages', body)
          if (status !== 201) throw new Error(`publishing answered ${status}: ${text}`)
        }
      }),
    )
    if (warm) await delay(500)
  }
  client.close()
  return (count * batch) / ((performance.now() - start) / 1_000)
}
