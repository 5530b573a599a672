import {
  coldBoot,
  eclipse,
  type FaultOutcome,
  flashCrowd,
  halfDies,
  sybilsCome,
  sybilsGrowAlong,
} from '../test/fixtures/simulation/faults.ts'
import { mean as average, grow, quantile } from '../test/fixtures/simulation/grow.ts'
import { measureSpread, type Spread } from '../test/fixtures/simulation/measure.ts'
import { createSimulation, type SimulatedNode, type Simulation } from '../test/fixtures/simulation/simulation.ts'
import type { BenchResult, BenchRow } from './result.ts'

/**
 * The overlay in simulated networks: copies of a message, and its latency against the shortest path over the same
 * links.
 */
export function benchSimulation(): Promise<BenchResult> {
  const rows = [50, 200, 1_000].flatMap((nodes) => [...stable(nodes, false), ...stable(nodes, true)])
  return Promise.resolve({ name: 'simulation', rows: [...rows, ...manyTopics(), ...deaths(), ...faults()] })
}

const topic = 'orders'

/** All nodes subscribe to one topic: first the author whose message makes the tree, then other authors. */
function stable(nodes: number, plane: boolean): BenchRow[] {
  const simulation = createSimulation({ seed: 1, minLatencyMs: 20, plane })
  const members = grow(simulation, { nodes, topicsOf: () => [topic] })
  simulation.run(30_000)
  const author = simulation.random.pick(members)
  const spread = (by: SimulatedNode) => measureSpread(simulation, { author: by, topic, members, ms: 3_000 })
  spread(author)
  const own = spread(author)
  const byAnybody = (messages: number) => Array.from({ length: messages }, () => spread(simulation.random.pick(members)))
  // The tree gets its root in the middle of their traffic.
  byAnybody(40)
  const others = byAnybody(20)
  const label = `${nodes} nodes, ${plane ? 'latency by distance' : 'random latency'}`
  return [
    { label: `${label}: delivered`, value: 100 * mean([own, ...others], ({ reached }) => reached), unit: '%' },
    { label: `${label}: copies per delivery`, value: mean([own, ...others], ({ copies }) => copies), unit: 'copies' },
    { label: `${label}: last node, author of the tree`, value: own.lastMs, unit: 'ms', ofLimit: own.lastMs / own.boundMs },
    {
      label: `${label}: last node, other authors, p95`,
      value: quantile(
        others.map(({ lastMs }) => lastMs),
        0.95,
      ),
      unit: 'ms',
      ofLimit: quantile(
        others.map(({ lastMs, boundMs }) => lastMs / boundMs),
        0.95,
      ),
    },
    { label: `${label}: links of a node, median`, value: medianLinks(simulation), unit: 'links' },
  ]
}

function manyTopics(): BenchRow[] {
  const simulation = createSimulation({ seed: 2 })
  const nodes = grow(simulation, { nodes: 1_000, topicsOf: (index) => [`topic-${index % 20}`] })
  simulation.run(60_000)
  const spreads = Array.from({ length: 20 }, (_, at) => {
    const members = nodes.filter((_node, index) => index % 20 === at)
    const init = { author: simulation.random.pick(members), topic: `topic-${at}`, members, ms: 3_000 }
    measureSpread(simulation, init)
    return measureSpread(simulation, init)
  })
  const label = '1000 nodes, 20 topics of 5 %'
  return [
    { label: `${label}: delivered`, value: 100 * mean(spreads, ({ reached }) => reached), unit: '%' },
    { label: `${label}: copies per delivery`, value: mean(spreads, ({ copies }) => copies), unit: 'copies' },
    { label: `${label}: links of a node, median`, value: medianLinks(simulation), unit: 'links' },
  ]
}

/** Latency to all survivors of a message that is sent when a fifth of the nodes dies, before any node has noticed. */
function deaths(): BenchRow[] {
  const simulation = createSimulation({ seed: 3 })
  const members = grow(simulation, { nodes: 1_000, topicsOf: () => [topic] })
  simulation.run(30_000)
  const author = simulation.random.pick(members)
  for (let at = 0; at < 2; at++) measureSpread(simulation, { author, topic, members, ms: 3_000 })
  for (const node of members) if (node !== author && simulation.random.chance(0.2)) simulation.kill(node)
  const spread = measureSpread(simulation, { author, topic, members, ms: 20_000 })
  return [
    { label: '1000 nodes, a fifth dies: survivors reached', value: 100 * spread.reached, unit: '%' },
    { label: '1000 nodes, a fifth dies: last survivor', value: spread.lastMs, unit: 'ms' },
  ]
}

/** The faults of simulated networks in docs/faults.md. */
function faults(): BenchRow[] {
  const scenes: Array<[string, FaultOutcome]> = [
    ['300 nodes, half die', halfDies(300)],
    ['300 nodes start at once', coldBoot(300)],
    ['60 nodes, 240 more within two seconds', flashCrowd(60)],
    ['24 nodes, 96 hostile nodes join', sybilsCome(24)],
    ['24 nodes among 92 hostile ones, an honest node configured', sybilsGrowAlong(24, { isConfigured: true })],
    ['24 nodes among 92 hostile ones, no node configured', sybilsGrowAlong(24, { isConfigured: false })],
    ['60 nodes, one with 60 hostile neighbours is told an honest address', eclipse(60)],
  ]
  return scenes.flatMap(([label, { delivered, deliveredAfter, recoveryMs }]) => [
    { label: `${label}: delivered in the first minute`, value: 100 * delivered, unit: '%' },
    { label: `${label}: delivered afterwards`, value: 100 * deliveredAfter, unit: '%' },
    { label: `${label}: time until a message reaches all within 5 s`, value: recoveryMs, unit: 'ms' },
  ])
}

function mean(spreads: readonly Spread[], value: (spread: Spread) => number): number {
  return average(spreads.map(value))
}

function medianLinks({ nodes }: Simulation): number {
  return quantile(
    nodes.map(({ overlay }) => overlay.size().links),
    0.5,
  )
}
