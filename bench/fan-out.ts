import { startGateway } from '../test/fixtures/gateway-process.ts'
import { startServer } from './child.ts'
import { benchEnvironment } from './environment.ts'
import { createHttpClient } from './http-client.ts'
import { publishAll } from './publish-all.ts'
import type { BenchResult, BenchRow } from './result.ts'
import { percentile } from './statistics.ts'
import { type Subscribers, startSubscribers } from './subscribers.ts'
import { temporaryDirectory } from './temporary-directory.ts'

/**
 * (b) Fan-out of one publisher's messages to many subscribers of one topic. The limit, in the same run, is a bare server
 * that writes frames of the same size, framed before, to the same number of sockets. Frames for one socket that are sent
 * in one turn share a system call, so both are compared at the same number of frames a turn. With one frame a turn the
 * publisher has two messages under way: the next waits when the gateway has sent the first to all. With several it has
 * that number under way.
 */

const data = 'x'.repeat(256)
const loads = [
  { together: 1, underWay: 2, deliveries: 40_000 },
  { together: 8, underWay: 8, deliveries: 80_000 },
  { together: 64, underWay: 64, deliveries: 640_000 },
]
/** Rounds alternate, so that a busy moment of the machine affects both; the first is a warm-up. */
const rounds = 3
/** `welcome`, `subscribed`, `caught-up` */
const greeting = 3

type Load = (typeof loads)[number]

export async function benchFanOut(): Promise<BenchResult> {
  const rows: BenchRow[] = []
  for (const count of [1_000, 5_000]) rows.push(...(await compare(count)))
  return { name: '(b) fan-out of messages with 256 bytes of data', rows }
}

async function compare(count: number): Promise<BenchRow[]> {
  await using resources = new AsyncDisposableStack()
  const gateway = await openGateway(count, resources)
  const bare = await openBare(count, resources)
  const rows: BenchRow[] = []
  for (const load of loads) {
    const limits: number[] = []
    const values: number[] = []
    for (let round = 0; round < rounds; round++) {
      const { rate, lastBytes } = await gateway(load)
      values.push(rate)
      limits.push(await bare(load, lastBytes))
    }
    const [limit, value] = [percentile(limits.slice(1), 0.5), percentile(values.slice(1), 0.5)]
    rows.push(
      { label: `bare writes of frames, ${count} sockets, ${load.together} a turn`, value: limit, unit: 'deliveries/s' },
      {
        label: `the gateway, ${count} subscribers, ${load.underWay} messages under way`,
        value,
        unit: 'deliveries/s',
        ofLimit: value / limit,
      },
    )
  }
  return rows
}

async function openGateway(count: number, resources: AsyncDisposableStack) {
  const environment = {
    ...benchEnvironment(await temporaryDirectory(resources)),
    PEERGATE_MAX_STREAM_CONNECTIONS: '10000',
  }
  const gateway = await startGateway(environment)
  resources.defer(async () => void (await gateway.end('SIGKILL')))
  const client = resources.adopt(createHttpClient(gateway.url, Math.max(...loads.map(({ underWay }) => underWay))), (opened) =>
    opened.close(),
  )
  const subscribers = resources.adopt(startSubscribers(), (started) => started.end())
  await subscribers.connect({ url: `${gateway.url}/v1/stream?topic=bench`, count, greeting })
  let expected = greeting

  return async ({ underWay, deliveries }: Load) => {
    const messages = deliveries / count
    expected += messages
    const work = () => publishAll(client, { messages, connections: underWay, data })
    const { seconds, lastBytes } = await timed(subscribers, expected, work)
    return { rate: deliveries / seconds, lastBytes }
  }
}

async function openBare(count: number, resources: AsyncDisposableStack) {
  const server = resources.adopt(await startServer('./bare/framed-writes.ts'), (started) => started.end())
  const subscribers = resources.adopt(startSubscribers(), (started) => started.end())
  await subscribers.connect({ url: server.url, count, greeting: 0 })
  let expected = 0

  return async ({ together, deliveries }: Load, bytes: number) => {
    const frames = deliveries / count
    expected += frames
    const { seconds } = await timed(subscribers, expected, async () => server.say({ frames, bytes, together }))
    return deliveries / seconds
  }
}

/** Seconds from the start of the work until every subscriber has every frame. */
async function timed(subscribers: Subscribers, frames: number, work: () => Promise<void>) {
  const start = performance.now()
  const [{ lastBytes }] = await Promise.all([subscribers.receive(frames), work()])
  return { seconds: (performance.now() - start) / 1_000, lastBytes }
}
