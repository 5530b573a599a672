import { randomUUID } from 'node:crypto'
import type { Client } from '../../clients/typescript/src/index.ts'

export interface BenchSettings {
  messages: number
  /** Bytes of each. */
  size: number
  /** Calls that wait for their answer at a time. */
  outstanding: number
  /** Streams that follow the topic. */
  followers: number
}

/** Times are in milliseconds: of a publication until its answer, of a delivery from the call of `publish`, of a request there and back. */
export interface Measured {
  count: number
  perSecond: number
  p50Ms: number
  p90Ms: number
  p99Ms: number
  maxMs: number
}

interface Tools {
  client: Client
  signal: AbortSignal
  /** A client with a stream of its own. */
  open(): Client
}

export async function measure(kind: 'publish' | 'fan-out' | 'request', settings: BenchSettings, tools: Tools): Promise<Measured> {
  if (kind === 'publish') return await measurePublish(settings, tools)
  return await (kind === 'request' ? measureRequests(settings, tools) : measureFanOut(settings, tools))
}

async function measurePublish(settings: BenchSettings, { client, signal }: Tools): Promise<Measured> {
  const topic = newName()
  const data = 'x'.repeat(settings.size)
  return await timed(settings, async () => void (await client.publish(topic, data, { signal })))
}

/** The service is one of this process, so that a request goes to the gateway, back to its client, and the same way home. */
async function measureRequests(settings: BenchSettings, { client, open, signal }: Tools): Promise<Measured> {
  const service = newName()
  const data = 'x'.repeat(settings.size)
  const server = open()
  try {
    await server.serve(service, (request) => String(request.data), { concurrency: settings.outstanding, signal })
    const { peerId } = await client.rest.call('get', '/v1/node', { signal })
    return await timed(settings, async () => void (await client.request(peerId, service, data, { signal })))
  } finally {
    server.close()
  }
}

async function measureFanOut(settings: BenchSettings, { client, open, signal }: Tools): Promise<Measured> {
  const topic = newName()
  const clients = Array.from({ length: settings.followers }, open)
  try {
    const times: number[] = []
    const streams = clients.map((follower) => follower.subscribe(topic, { signal }))
    // A follower counts from its first value on, which says that it has begun.
    await Promise.all(streams.map((items) => items.next()))
    const began = performance.now()
    const followed = streams.map(async (items) => {
      let left = settings.messages
      for await (const item of items) {
        if (item.type !== 'message') continue
        times.push(performance.now() - Number.parseFloat(String(item.message.data)))
        if (--left === 0) return
      }
    })
    await timed(settings, async () => {
      await client.publish(topic, `${performance.now()} `.padEnd(settings.size, 'x'), { signal })
    })
    await Promise.all(followed)
    return summary(times, performance.now() - began)
  } finally {
    for (const each of clients) each.close()
  }
}

async function timed({ messages, outstanding }: BenchSettings, work: () => Promise<void>): Promise<Measured> {
  const times: number[] = []
  let left = messages
  const began = performance.now()
  const workers = Array.from({ length: Math.min(outstanding, messages) }, async () => {
    while (left-- > 0) {
      const from = performance.now()
      await work()
      times.push(performance.now() - from)
    }
  })
  await Promise.all(workers)
  return summary(times, performance.now() - began)
}

export function summary(times: readonly number[], tookMs: number): Measured {
  const sorted = times.toSorted((a, b) => a - b)
  const at = (part: number) => rounded(sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? 0)
  const perSecond = Math.round(sorted.length / (tookMs / 1_000))
  return { count: sorted.length, perSecond, p50Ms: at(0.5), p90Ms: at(0.9), p99Ms: at(0.99), maxMs: at(1) }
}

const rounded = (ms: number) => Math.round(ms * 100) / 100

const newName = () => `peergate-bench-${randomUUID()}`
