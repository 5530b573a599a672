import { type EngineName, type GatewayProcess, type NodeName, startGateway } from '../test/fixtures/gateway-process.ts'
import { type CountingRelay, startCountingRelay } from './counting-relay.ts'
import { benchEnvironment } from './environment.ts'
import { joinGateways, untilSubscribed } from './gateway-ways.ts'
import { pass, type Way } from './passage.ts'
import type { BenchResult, BenchRow } from './result.ts'
import { collectOnSignal, settledMemory } from './settled-memory.ts'
import { percentile } from './statistics.ts'
import { temporaryDirectory } from './temporary-directory.ts'

/**
 * From a gateway on one network over a bridge to a gateway on the other. The limit, in the same run, is one hop to a
 * gateway on the same network. Copies show in the bytes on the far gateway's links: with two bridges beside one.
 */

const messages = 4_000
/** Rounds alternate, so that a busy moment of the machine affects all; the first is a warm-up. */
const rounds = 4
/** Rate and number of the messages whose latency is measured, and of those whose copies are counted. */
const calm = { perSecond: 200, messages: 600 }

const directions = [
  { from: 'custom', to: 'libp2p' },
  { from: 'libp2p', to: 'custom' },
] as const
type Direction = (typeof directions)[number]

export async function benchBridge(): Promise<BenchResult> {
  const rows: BenchRow[] = []
  for (const direction of directions) {
    const alone = await copyBytes(direction, 1)
    const both = await copyBytes(direction, 2)
    const label = `${direction.from} → ${direction.to}: received on the far gateway's links, each message`
    rows.push(
      { label: `${label}, one bridge`, value: alone, unit: 'bytes' },
      { label: `${label}, two bridges`, value: both, unit: 'bytes', ofLimit: both / alone },
    )
  }
  return { name: 'over a bridge, 256 bytes of data', rows: [...(await roads()), ...rows] }
}

interface Measured {
  way: Way
  rates: number[]
  latencies: number[]
}

async function roads(): Promise<BenchRow[]> {
  await using resources = new AsyncDisposableStack()
  const bridge = await start(resources, 'both')
  const leaves = {
    custom: await start(resources, 'custom', addressesOn('custom', bridge)),
    libp2p: await start(resources, 'libp2p', addressesOn('libp2p', bridge)),
  }
  const neighbours = {
    custom: await start(resources, 'custom', leaves.custom.multiaddrs),
    libp2p: await start(resources, 'libp2p', leaves.libp2p.multiaddrs),
  }
  const ways = await Array.fromAsync(directions, async ({ from, to }) => ({
    hop: await open(resources, `hop-${from}`, leaves[from], neighbours[from]),
    across: await open(resources, `to-${to}`, leaves[from], leaves[to]),
  }))
  for (let round = 0; round < rounds; round++) {
    for (const way of ways.flatMap(({ hop, across }) => [hop, across])) await measure(way, round === 0)
  }
  return [...directions.flatMap((direction, index) => compared(direction, ways[index])), ...(await memory({ ...leaves, both: bridge }))]
}

async function open(resources: AsyncDisposableStack, topic: string, near: GatewayProcess, far: GatewayProcess): Promise<Measured> {
  const way = await joinGateways(resources, { label: topic, topic, processes: { near, far }, from: near, to: far })
  await untilSubscribed(near.url, topic)
  return { way, rates: [], latencies: [] }
}

async function measure({ way, rates, latencies }: Measured, isWarmUp: boolean): Promise<void> {
  const full = await pass(way, { messages })
  const slow = await pass(way, calm)
  if (isWarmUp) return
  rates.push(full.delivered)
  latencies.push(...slow.latencies)
}

function median({ rates, latencies }: Measured): { rate: number; latency: number } {
  return { rate: percentile(rates, 0.5), latency: percentile(latencies, 0.5) }
}

function compared({ from, to }: Direction, ways: { hop: Measured; across: Measured } | undefined): BenchRow[] {
  if (ways === undefined) return []
  const [hop, across] = [median(ways.hop), median(ways.across)]
  return [
    { label: `${from}: one hop, ${ways.hop.way.underWay} under way`, value: hop.rate, unit: 'messages/s' },
    {
      label: `${from} → ${to}: over a bridge, ${ways.across.way.underWay} under way`,
      value: across.rate,
      unit: 'messages/s',
      ofLimit: across.rate / hop.rate,
    },
    { label: `${from}: one hop, p50 at ${calm.perSecond}/s`, value: hop.latency, unit: 'ms' },
    {
      label: `${from} → ${to}: over a bridge, p50 at ${calm.perSecond}/s`,
      value: across.latency,
      unit: 'ms',
      ofLimit: across.latency / hop.latency,
    },
  ]
}

/** After the run. The limit of the bridge, which has no clients, is the larger of the others, which have. */
async function memory(gateways: Record<NodeName, GatewayProcess>): Promise<BenchRow[]> {
  const settled = async ({ child }: GatewayProcess) => (await settledMemory(child.pid ?? 0)) / 1_024
  const [custom, libp2p, both] = [await settled(gateways.custom), await settled(gateways.libp2p), await settled(gateways.both)]
  return [
    { label: 'memory of the gateway on the custom network, with its clients', value: custom, unit: 'MiB' },
    { label: 'memory of the gateway on libp2p, with its clients', value: libp2p, unit: 'MiB' },
    { label: 'memory of the bridge, which has none', value: both, unit: 'MiB', ofLimit: both / Math.max(custom, libp2p) },
  ]
}

/** Bytes that the far gateway receives of its bridges for each message. */
async function copyBytes({ from, to }: Direction, count: number): Promise<number> {
  await using resources = new AsyncDisposableStack()
  const bridges: GatewayProcess[] = []
  while (bridges.length < count)
    bridges.push(
      await start(
        resources,
        'both',
        bridges.flatMap(({ multiaddrs }) => multiaddrs),
      ),
    )
  const near = await start(
    resources,
    from,
    bridges.flatMap((bridge) => addressesOn(from, bridge)),
  )
  const relays = await Array.fromAsync(bridges, async (bridge) => await relayTo(resources, addressesOn(to, bridge)))
  const far = await start(
    resources,
    to,
    relays.map(({ address }) => address),
  )
  const topic = 'copies'
  const { way } = await open(resources, topic, near, far)
  await Promise.all([near, far].map(({ url }) => untilSubscribed(url, topic, count)))
  const received = () => relays.reduce((sum, { relay }) => sum + relay.receivedBytes, 0)
  await pass(way, calm)
  const before = received()
  await pass(way, calm)
  return (received() - before) / calm.messages
}

/** A relay to the first of the addresses, and the address of the relay. */
async function relayTo(resources: AsyncDisposableStack, [address = '']: string[]): Promise<{ relay: CountingRelay; address: string }> {
  const relay = resources.use(await startCountingRelay(Number(/\/tcp\/(\d+)/.exec(address)?.[1])))
  return { relay, address: address.replace(/\/tcp\/\d+/, `/tcp/${relay.port}`) }
}

function addressesOn(network: EngineName, { multiaddrs }: GatewayProcess): string[] {
  return multiaddrs.filter((address) => address.includes('/ws/') === (network === 'custom'))
}

async function start(resources: AsyncDisposableStack, node: NodeName, bootstrap: string[] = []): Promise<GatewayProcess> {
  const gateway = await startGateway({
    ...benchEnvironment(await temporaryDirectory(resources), node),
    PEERGATE_BOOTSTRAP: bootstrap.join(','),
    NODE_OPTIONS: `--import=${collectOnSignal}`,
  })
  resources.defer(async () => void (await gateway.end('SIGTERM')))
  return gateway
}
