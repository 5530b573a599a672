import { checkSignature, createMessageSigner } from '../src/model/signed-message.ts'
import type { EngineName } from '../test/fixtures/gateway-process.ts'
import { createMemoryIdentity } from '../test/fixtures/memory-identity.ts'
import { startChild } from './child.ts'
import { openGatewayRoad } from './gateway-ways.ts'
import { pass } from './passage.ts'
import type { BenchResult, BenchRow } from './result.ts'
import { percentile } from './statistics.ts'

/**
 * (a) The whole road: REST publish on A, stored, gossip, stored on B, a WebSocket subscriber of B. The limit, in the
 * same run, is the engine alone: the same messages from one node to another in two processes, without gateway and
 * database. The first thousands of messages of a process take twice the time, so all begin with a warm-up.
 */

export interface RoadLoad {
  messages: number
  warmUp: number
}

export async function benchRoad(load: RoadLoad): Promise<BenchResult> {
  const bare = await signAndVerifyRate(load.messages)
  const rows: BenchRow[] = [{ label: 'bare signing in one process, verifying in another', value: bare, unit: 'messages/s' }]
  for (const engine of ['custom', 'libp2p'] as const) rows.push(...(await benchEngine(engine, load, bare)))
  return { name: '(a) REST publish on A → stored → gossip → stored on B → WebSocket subscriber of B', rows }
}

async function benchEngine(engine: EngineName, { messages, warmUp }: RoadLoad, bare: number): Promise<BenchRow[]> {
  await using resources = new AsyncDisposableStack()
  const alone = await engineRate(engine, { messages, warmUp })
  const way = await openGatewayRoad(resources, engine)
  await pass(way, { messages: warmUp })
  const full = await pass(way, { messages })
  const half = await pass(way, { messages: messages / 2, perSecond: full.delivered / 2 })
  const perProcess = Object.entries({ ...full.processor, 'the client': (full.clientLoad / full.delivered) * 1_000 })
  return [
    { label: `${engine}: engine alone, two processes`, value: alone, unit: 'messages/s', ofLimit: alone / bare },
    {
      label: `${engine}: the road, ${way.underWay} under way, acknowledged`,
      value: full.acked,
      unit: 'messages/s',
      ofLimit: full.acked / alone,
    },
    { label: `${engine}: the road, delivered, every message`, value: full.delivered, unit: 'messages/s', ofLimit: full.delivered / alone },
    ...[0.5, 0.99].map((share) => ({
      label: `${engine}: p${share * 100} at half of that rate, ${Math.round(full.delivered / 2)}/s`,
      value: percentile(half.latencies, share),
      unit: 'ms',
    })),
    ...perProcess.map(([name, value]) => ({ label: `${engine}: processor, ${name}`, value, unit: 's for 1,000 messages' })),
    { label: `${engine}: load of the client, of one core`, value: full.clientLoad * 100, unit: '%' },
  ]
}

/** Messages a second from one engine to another, each in its own process. */
async function engineRate(engine: EngineName, { messages, warmUp }: RoadLoad): Promise<number> {
  await using resources = new AsyncDisposableStack()
  const start = (...args: unknown[]) =>
    resources.adopt(startChild('./engine-peer.ts', [engine, ...args.map(String)]), (started) => started.end())
  const receiver = start('receive', messages, warmUp)
  const { multiaddr } = await receiver.next<{ multiaddr: string }>()
  const sender = start('send', messages, warmUp, multiaddr)
  for (;;) {
    const { received, rate } = await receiver.next<{ received: number; rate: number }>()
    if (received === warmUp + messages) return rate
    sender.say({ received })
  }
}

/**
 * The upper bound for two processes, one signing and one verifying: the slower of the two, each measured alone here.
 */
async function signAndVerifyRate(count: number): Promise<number> {
  const { peerId, seed } = await createMemoryIdentity()
  const signer = createMessageSigner(peerId, seed)
  const data = Buffer.alloc(256, 'x')
  const signing = performance.now()
  const messages = Array.from({ length: count }, (_, index) => signer.sign(BigInt(index), 'bench', data))
  const verifying = performance.now()
  for (const message of messages) if ((await checkSignature(message)) !== true) throw new Error('a signature is wrong')
  const end = performance.now()
  return count / (Math.max(verifying - signing, end - verifying) / 1_000)
}
