import type { GatewayProcess, NodeName } from '../test/fixtures/gateway-process.ts'
import { type Copies, countCopies } from './bridge-copies.ts'
import { addressesOn, type Direction, directions, startNode } from './bridge-nodes.ts'
import { joinGateways, untilSubscribed } from './gateway-ways.ts'
import { type Load, pass, type Way } from './passage.ts'
import type { BenchResult, BenchRow } from './result.ts'
import { settledMemory } from './settled-memory.ts'
import { percentile } from './statistics.ts'

/**
 * From a gateway on one network over a bridge to a gateway on the other. The limit, in the same run, is one hop to a
 * gateway on the same network. Copies are those that the far gateway receives on its links, of one bridge and of two.
 */

export interface BridgeBench {
  /** At full speed, in each round of each way. */
  messages: number
  /** Rounds alternate, so that a busy moment of the machine affects all; one more is a warm-up. */
  rounds: number
  /** Those whose latency is measured, and whose copies are counted. */
  calm: Required<Load>
}

export async function benchBridge(init: BridgeBench): Promise<BenchResult> {
  const rows = await roads(init)
  const copies = await countCopies(init.calm)
  return {
    name: 'over a bridge, 256 bytes of data',
    rows: [...rows, ...directions.flatMap((direction, index) => copied(direction, copies[index]))],
  }
}

function copied({ from, to }: Direction, copies: Copies | undefined): BenchRow[] {
  if (copies === undefined) return []
  const [one, two] = copies
  const label = `${from} → ${to}: received by the far gateway, each message`
  return [
    { label: `${label}, one bridge`, value: one.messages, unit: 'copies' },
    { label: `${label}, two bridges`, value: two.messages, unit: 'copies', ofLimit: two.messages / one.messages },
    { label: `${label}, one bridge`, value: one.bytes, unit: 'bytes' },
    { label: `${label}, two bridges`, value: two.bytes, unit: 'bytes', ofLimit: two.bytes / one.bytes },
  ]
}

interface Measured {
  way: Way
  rates: number[]
  latencies: number[]
}

async function roads({ messages, rounds, calm }: BridgeBench): Promise<BenchRow[]> {
  await using resources = new AsyncDisposableStack()
  const bridge = await startNode(resources, 'both')
  const leaves = {
    custom: await startNode(resources, 'custom', addressesOn('custom', bridge)),
    libp2p: await startNode(resources, 'libp2p', addressesOn('libp2p', bridge)),
  }
  const neighbours = {
    custom: await startNode(resources, 'custom', leaves.custom.multiaddrs),
    libp2p: await startNode(resources, 'libp2p', leaves.libp2p.multiaddrs),
  }
  const ways = await Array.fromAsync(directions, async ({ from, to }) => ({
    hop: await open(resources, `hop-${from}`, leaves[from], neighbours[from]),
    across: await open(resources, `to-${to}`, leaves[from], leaves[to]),
  }))
  for (let round = 0; round <= rounds; round++) {
    for (const way of ways.flatMap(({ hop, across }) => [hop, across])) await measure(way, { messages, calm, isWarmUp: round === 0 })
  }
  const rows = directions.flatMap((direction, index) => compared(direction, ways[index], calm.perSecond))
  return [...rows, ...(await memory({ ...leaves, both: bridge }))]
}

async function open(resources: AsyncDisposableStack, topic: string, near: GatewayProcess, far: GatewayProcess): Promise<Measured> {
  const way = await joinGateways(resources, { label: topic, topic, processes: { near, far }, from: near, to: far })
  await untilSubscribed(near.url, topic)
  return { way, rates: [], latencies: [] }
}

async function measure(
  { way, rates, latencies }: Measured,
  { messages, calm, isWarmUp }: Pick<BridgeBench, 'messages' | 'calm'> & { isWarmUp: boolean },
): Promise<void> {
  const full = await pass(way, { messages })
  const slow = await pass(way, calm)
  if (isWarmUp) return
  rates.push(full.delivered)
  latencies.push(...slow.latencies)
}

function median({ rates, latencies }: Measured): { rate: number; latency: number } {
  return { rate: percentile(rates, 0.5), latency: percentile(latencies, 0.5) }
}

function compared({ from, to }: Direction, ways: { hop: Measured; across: Measured } | undefined, perSecond: number): BenchRow[] {
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
    { label: `${from}: one hop, p50 at ${perSecond}/s`, value: hop.latency, unit: 'ms' },
    {
      label: `${from} → ${to}: over a bridge, p50 at ${perSecond}/s`,
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
