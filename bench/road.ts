import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkSignature, createMessageSigner } from '../src/model/signed-message.ts'
import { type EngineName, startGateway } from '../test/fixtures/gateway-process.ts'
import { createMemoryIdentity } from '../test/fixtures/memory-identity.ts'
import { startChild } from './child.ts'
import { deliver, subscribe, untilSubscribed } from './deliver.ts'
import { benchEnvironment } from './environment.ts'
import { createHttpClient } from './http-client.ts'
import type { BenchResult, BenchRow } from './result.ts'
import { percentile } from './statistics.ts'

/**
 * (a) The whole road: REST publish on A, stored, gossip, stored on B, a WebSocket subscriber of B. The limit, in the
 * same run, is the engine alone: the same messages from one node to another in two processes, without gateway and
 * database.
 */

const payload = 'x'.repeat(256)
const connections = 64
const topic = 'bench'

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
    const subscriber = await subscribe(b.url, topic)
    const client = createHttpClient(a.url, connections)
    await untilSubscribed(a.url, topic)
    await deliver(client, subscriber, { topic, connections, payload, count: messages / 4 })
    const full = await deliver(client, subscriber, { topic, connections, payload, count: messages })
    const half = await deliver(client, subscriber, { topic, connections, payload, count: messages / 2, perSecond: 500 })
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
