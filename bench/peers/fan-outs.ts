import { startGateway } from '../../test/fixtures/gateway-process.ts'
import { benchEnvironment } from '../environment.ts'
import { createHttpClient } from '../http-client.ts'
import { marked } from '../marks.ts'
import { upgradeRequest } from '../raw-stream.ts'
import type { BenchRow } from '../result.ts'
import { percentile } from '../statistics.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { followed, following, startCentrifugo, streamUrl } from './centrifugo.ts'
import { type Crowd, type Step, startCrowd } from './crowd.ts'
import { openNats, startNats } from './jetstream.ts'
import { openClient as openMqtt, startMosquitto } from './mosquitto.ts'
import { mqttSubscription } from './mqtt-client.ts'
import { findProgram, type ProgramName } from './programs.ts'
import { openClient as openRedis, startRedis } from './redis.ts'

/** One topic with many subscribers, at the gateway and at the programs beside it. None of these stores the messages. */

const underWay = 64
const bytes = 256

export interface FanOutLoad {
  subscribers: number
  messages: number
  rounds: number
}

interface FanOut {
  label: string
  port: number
  /** How a client subscribes. */
  steps: Step[]
  publish(data: string): Promise<void>
}

type Open = (resources: AsyncDisposableStack, program: string) => Promise<FanOut>

const others: Partial<Record<ProgramName, Open>> = {
  async nats(resources, program) {
    const server = await startNats(resources, program, 'fan')
    const client = openNats(resources, server)
    const steps = [{ send: 'CONNECT {"verbose":false}\r\nSUB bench 1\r\nPING\r\n', until: 'PONG\r\n' }]
    return { label: 'NATS, no JetStream', port: server.port, steps, publish: (data) => client.publish('bench', data) }
  },
  async centrifugo(resources, program) {
    const { port } = await startCentrifugo(resources, program)
    const client = resources.adopt(createHttpClient(`http://127.0.0.1:${port}`, underWay), (opened) => opened.close())
    const steps = [
      { send: upgradeRequest(streamUrl(port)), until: '\r\n\r\n' },
      { send: following, until: followed },
    ]
    return {
      label: 'Centrifugo',
      port,
      steps,
      async publish(data) {
        await client.post('/api/publish', JSON.stringify({ channel: 'bench', data }))
      },
    }
  },
  async mosquitto(resources, program) {
    const { port } = await startMosquitto(resources, program)
    const client = await openMqtt(resources, port)
    return { label: 'Mosquitto, QoS 0', port, steps: mqttSubscription('bench'), publish: (data) => client.publish('bench', data) }
  },
  async redis(resources, program) {
    const { port } = await startRedis(resources, program)
    const client = openRedis(resources, port)
    const steps = [{ send: 'SUBSCRIBE bench\r\n', until: ':1\r\n' }]
    return { label: 'PUBLISH of Redis', port, steps, publish: async (data) => void (await client.ask('PUBLISH', 'bench', data)) }
  },
}

async function gateway(resources: AsyncDisposableStack): Promise<FanOut> {
  const environment = { ...benchEnvironment(await temporaryDirectory(resources)), PEERGATE_MAX_STREAM_CONNECTIONS: '10000' }
  const started = await startGateway(environment)
  resources.defer(async () => void (await started.end('SIGKILL')))
  const client = resources.adopt(createHttpClient(started.url, underWay), (opened) => opened.close())
  return {
    label: 'the gateway, messages on the disk',
    port: Number(new URL(started.url).port),
    steps: [{ send: upgradeRequest(`${started.url}/v1/stream?topic=bench`), until: '"caught-up"' }],
    async publish(data) {
      const answer = await client.post('/v1/topics/bench/messages', JSON.stringify({ data }))
      if (answer.status !== 201) throw new Error(`publishing answered ${answer.status}: ${answer.body}`)
    },
  }
}

interface Measured extends FanOut {
  crowd: Crowd
  expected: number
  rates: number[]
}

/** Deliveries a second, in turns; the first round is a warm-up. */
export async function compareFanOuts(load: FanOutLoad): Promise<BenchRow[]> {
  await using resources = new AsyncDisposableStack()
  const all = [await open(resources, await gateway(resources), load)]
  for (const [name, start] of Object.entries(others)) {
    const program = findProgram(name as ProgramName)
    if (program !== undefined) all.push(await open(resources, await start(resources, program), load))
  }
  for (let round = 0; round <= load.rounds; round++) for (const each of all) each.rates.push(await rate(each, load))
  const rows = all.map(
    ({ label, rates }): BenchRow => ({
      label: `${load.subscribers} subscribers, ${underWay} messages under way: ${label}`,
      value: percentile(rates.slice(1), 0.5),
      unit: 'deliveries/s',
    }),
  )
  const [own, ...beside] = rows
  if (own !== undefined) own.besides = beside.map(({ value }, index) => ({ name: all[index + 1]?.label ?? '', ratio: own.value / value }))
  return rows
}

async function open(resources: AsyncDisposableStack, fanOut: FanOut, { subscribers }: FanOutLoad): Promise<Measured> {
  const crowd = resources.adopt(startCrowd(), (started) => started.end())
  await crowd.join({ port: fanOut.port, count: subscribers, steps: fanOut.steps })
  return { ...fanOut, crowd, expected: 0, rates: [] }
}

async function rate(each: Measured, { subscribers, messages }: FanOutLoad): Promise<number> {
  each.expected += subscribers * messages
  const start = performance.now()
  await Promise.all([each.crowd.receive(each.expected), publishAll(each, messages)])
  return (subscribers * messages) / ((performance.now() - start) / 1_000)
}

async function publishAll({ publish }: FanOut, messages: number): Promise<void> {
  let next = 0
  const lane = async () => {
    while (next < messages) await publish(marked(next++, bytes))
  }
  await Promise.all(Array.from({ length: underWay }, lane))
}
