import { setTimeout as sleep } from 'node:timers/promises'
import { type EngineName, type GatewayProcess, startGateway } from '../test/fixtures/gateway-process.ts'
import { benchEnvironment } from './environment.ts'
import { createHttpClient } from './http-client.ts'
import { createMarkScanner } from './marks.ts'
import type { Way } from './passage.ts'
import { openRawStream } from './raw-stream.ts'
import { temporaryDirectory } from './temporary-directory.ts'

/** Connections of a publisher, each with one request at a time. */
const underWay = 64
const topic = 'bench'

/** REST publish on A → stored → gossip → stored on B → WebSocket subscriber of B. */
export async function openGatewayRoad(resources: AsyncDisposableStack, engine: EngineName): Promise<Way> {
  const b = await open(resources, engine)
  const a = await open(resources, engine, b)
  const way = await joinGateways(resources, { label: `two gateways, ${engine}`, topic, processes: { A: a, B: b }, from: a, to: b })
  await untilSubscribed(a.url, topic)
  return way
}

/** REST publish → stored → WebSocket subscriber of the same gateway. */
export async function openGateway(resources: AsyncDisposableStack): Promise<Way> {
  const gateway = await open(resources, 'custom')
  return await joinGateways(resources, { label: 'one gateway', topic, processes: { gateway }, from: gateway, to: gateway })
}

interface Ends {
  label: string
  topic: string
  processes: Record<string, GatewayProcess>
  /** Where it is published, and where it is read. */
  from: GatewayProcess
  to: GatewayProcess
}

/** A way between gateways that are linked, or become so. */
export async function joinGateways(resources: AsyncDisposableStack, { label, topic, processes, from, to }: Ends): Promise<Way> {
  const client = resources.adopt(createHttpClient(from.url, underWay), (opened) => opened.close())
  const way: Way = {
    label,
    processes: Object.fromEntries(Object.entries(processes).map(([name, { child }]) => [name, child.pid ?? 0])),
    underWay,
    async publish(data) {
      const answer = await client.post(`/v1/topics/${topic}/messages`, JSON.stringify({ data }))
      if (answer.status !== 201) throw new Error(`publishing answered ${answer.status}: ${answer.body}`)
    },
    onArrival: () => undefined,
  }
  const caughtUp = Promise.withResolvers<void>()
  const scan = createMarkScanner((number) => way.onArrival(number))
  const socket = await openRawStream(`${to.url}/v1/stream?topic=${topic}`, (bytes) => {
    if (bytes.includes('"caught-up"')) caughtUp.resolve()
    scan(bytes)
  })
  resources.defer(() => void socket.destroy())
  await caughtUp.promise
  return way
}

/** Milliseconds within which gateways of this machine find each other. */
const patienceMs = 60_000

/**
 * Has a gateway join a topic; resolves when so many of its neighbours have.
 * @throws Error when they have not within a minute
 */
export async function untilSubscribed(url: string, topic: string, neighbours = 1): Promise<void> {
  await fetch(`${url}/v1/topics/${topic}`, { method: 'PUT' })
  const end = performance.now() + patienceMs
  for (;;) {
    const answer = await fetch(`${url}/v1/topics/${topic}`)
    const { subscribers } = Object(await answer.json())
    if (subscribers >= neighbours) return
    if (performance.now() > end) throw new Error(`${subscribers} of ${neighbours} neighbours have joined ${topic} within ${patienceMs} ms`)
    await sleep(100)
  }
}

async function open(resources: AsyncDisposableStack, engine: EngineName, neighbour?: GatewayProcess): Promise<GatewayProcess> {
  const gateway = await startGateway({
    ...benchEnvironment(await temporaryDirectory(resources), engine),
    PEERGATE_BOOTSTRAP: neighbour?.multiaddrs.join(',') ?? '',
  })
  resources.defer(async () => void (await gateway.end('SIGTERM')))
  return gateway
}
