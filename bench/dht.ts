import { colluding } from '../test/fixtures/dht-attack.ts'
import { lookUps, putAndGet, share } from '../test/fixtures/dht-measure.ts'
import { createDhtSimulation, growDht } from '../test/fixtures/dht-simulation.ts'
import type { BenchResult, BenchRow } from './result.ts'

/**
 * The DHT of the custom engine in simulated networks: hops of a lookup against half of log2 N plus one, and the success
 * rate.
 */
export async function benchDht(): Promise<BenchResult> {
  const rows: BenchRow[] = []
  for (const nodes of [100, 300, 1_000]) rows.push(...(await healthyAndDying(nodes)), ...(await hostile(nodes)))
  return { name: 'dht', rows }
}

const attempts = 200

async function healthyAndDying(nodes: number): Promise<BenchRow[]> {
  const simulation = createDhtSimulation({ seed: 1 })
  await growDht(simulation, { nodes })
  const healthy = await lookUps(simulation, attempts)
  for (const node of simulation.nodes.slice(1)) if (simulation.random.chance(0.3)) node.alive = false
  const dying = await lookUps(simulation, attempts)
  return [
    {
      label: `${nodes} nodes: hops of a lookup, mean`,
      value: healthy.hops,
      unit: 'hops',
      ofLimit: healthy.hops / (0.5 * Math.log2(nodes) + 1),
    },
    { label: `${nodes} nodes: lookups that found the closest nodes`, value: 100 * healthy.success, unit: '%' },
    { label: `${nodes} nodes, 30 % just died: lookups that found the closest nodes`, value: 100 * dying.success, unit: '%' },
  ]
}

async function hostile(nodes: number): Promise<BenchRow[]> {
  const simulation = createDhtSimulation({ seed: 1 })
  await growDht(simulation, { nodes, behaviourOf: (index) => (index % 5 === 4 ? colluding : undefined) })
  const values = await share(attempts, () => putAndGet(simulation))
  const { success } = await lookUps(simulation, attempts)
  return [
    { label: `${nodes} nodes, 20 % hostile: values found`, value: 100 * values, unit: '%' },
    { label: `${nodes} nodes, 20 % hostile: lookups that found the closest nodes`, value: 100 * success, unit: '%' },
  ]
}
