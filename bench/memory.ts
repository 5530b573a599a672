import { startGateway } from '../test/fixtures/gateway-process.ts'
import { startServer } from './child.ts'
import { benchEnvironment } from './environment.ts'
import { createHttpClient } from './http-client.ts'
import type { BenchResult } from './result.ts'
import { collectOnSignal, settledMemory } from './settled-memory.ts'
import { startSubscribers } from './subscribers.ts'
import { temporaryDirectory } from './temporary-directory.ts'

/**
 * (f) Cost of an idle subscriber: how much the resident memory, after garbage collection, grows with one more. The limit, in the same run, is a bare `ws` server with the same number of sockets.
 */

const count = 4_000
const publishedMiB = 128
/** Subscribers that are there before the others: what grows once for the first ones, code and heap, is not counted. */
const firstSubscribers = 1_000

interface Subject {
  url: string
  pid: number
  greeting: number
}

export async function benchMemory(): Promise<BenchResult> {
  const bare = await ofBare()
  const { program, subscriber, published } = await ofGateway()
  return {
    name: `(f) memory of ${count} idle subscribers`,
    rows: [
      { label: 'bare ws', value: bare, unit: 'KiB each' },
      { label: 'the gateway', value: subscriber, unit: 'KiB each', ofLimit: subscriber / bare },
      { label: 'the gateway without subscribers', value: program / 1_024, unit: 'MiB' },
      {
        label: `memory after ${publishedMiB} MiB of messages, of which 64 MiB are kept for readers`,
        value: published / 1_024,
        unit: 'MiB',
      },
    ],
  }
}

async function ofBare(): Promise<number> {
  await using resources = new AsyncDisposableStack()
  const server = resources.adopt(await startServer('./bare/web-socket.ts', [], collectOnSignal), (started) => started.end())
  return await perSubscriber({ ...server, greeting: 0 }, resources)
}

/** In KiB. */
async function ofGateway(): Promise<{ program: number; subscriber: number; published: number }> {
  await using resources = new AsyncDisposableStack()
  const environment = { ...benchEnvironment(await temporaryDirectory(resources)), NODE_OPTIONS: `--import=${collectOnSignal}` }
  const gateway = await startGateway(environment)
  resources.defer(async () => void (await gateway.end('SIGKILL')))
  const pid = gateway.child.pid ?? 0
  const program = await settledMemory(pid)
  const subscriber = await perSubscriber({ url: `${gateway.url}/v1/stream?topic=bench`, pid, greeting: 3 }, resources)
  const before = await settledMemory(pid)
  await publish(gateway.url)
  return { program, subscriber, published: (await settledMemory(pid)) - before }
}

/** Publishes messages of 1 KiB, 128 in a request. */
async function publish(url: string): Promise<void> {
  const client = createHttpClient(url, 1)
  const body = JSON.stringify({ messages: Array.from({ length: 128 }, () => ({ topic: 'kept', data: 'x'.repeat(1_024) })) })
  for (let at = 0; at < publishedMiB * 8; at++) {
    const { status } = await client.post('/v1/messages', body)
    if (status !== 201) throw new Error(`publishing answered ${status}`)
  }
  client.close()
}

/** In KiB. */
async function perSubscriber({ url, pid, greeting }: Subject, resources: AsyncDisposableStack): Promise<number> {
  const connect = async (some: number) => {
    const subscribers = resources.adopt(startSubscribers(), (started) => started.end())
    await subscribers.connect({ url, count: some, greeting })
  }
  await connect(firstSubscribers)
  const before = await settledMemory(pid)
  await connect(count)
  return ((await settledMemory(pid)) - before) / count
}
