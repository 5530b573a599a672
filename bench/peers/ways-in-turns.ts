import { type Passage, pass, type Way } from '../passage.ts'
import type { BenchRow } from '../result.ts'
import { percentile } from '../statistics.ts'

/** Ways of messages, measured in turns, so that a busy moment of the machine affects all. */

export interface TurnsLoad {
  messages: number
  warmUp: number
  rounds: number
}

interface Measured {
  way: Way
  full: Passage[]
  /** Milliseconds at half of the rate that was measured just before. */
  latencies: number[]
}

/** What is measured of each way, and its unit. */
const figures: Array<{ what: string; unit: string; of(measured: Measured): number }> = [
  { what: 'acknowledged', unit: 'messages/s', of: ({ full }) => median(full.map(({ acked }) => acked)) },
  { what: 'delivered', unit: 'messages/s', of: ({ full }) => median(full.map(({ delivered }) => delivered)) },
  { what: 'p50 at half of its rate', unit: 'ms', of: ({ latencies }) => percentile(latencies, 0.5) },
  { what: 'p99 at half of its rate', unit: 'ms', of: ({ latencies }) => percentile(latencies, 0.99) },
  { what: 'processor', unit: 's for 1,000 messages', of: ({ full }) => median(full.map(total)) },
]

/** Rows of all ways; those of the first `own` are also compared with each of the others. */
export async function compareWays(ways: Way[], own: number, load: TurnsLoad): Promise<BenchRow[]> {
  const measured = ways.map((way): Measured => ({ way, full: [], latencies: [] }))
  for (const way of ways) await pass(way, { messages: load.warmUp })
  for (let round = 0; round < load.rounds; round++) for (const each of measured) await turn(each, load.messages)
  const others = measured.slice(own)
  return measured.flatMap((each, index) => {
    const compared = figures.map(({ what, unit, of }): BenchRow => {
      const value = of(each)
      const row = { label: `${each.way.label}: ${what}`, value, unit }
      return index < own ? { ...row, besides: others.map((other) => ({ name: other.way.label, ratio: value / of(other) })) } : row
    })
    return [...compared, ...parts(each)]
  })
}

async function turn({ way, full, latencies }: Measured, messages: number): Promise<void> {
  const passage = await pass(way, { messages })
  full.push(passage)
  const half = await pass(way, { messages: Math.ceil(messages / 2), perSecond: passage.delivered / 2 })
  latencies.push(...half.latencies)
}

/** Each process of a way with several, and the client: at a whole core it would be what is measured. */
function parts({ way, full }: Measured): BenchRow[] {
  const names = Object.keys(way.processes)
  const shown = names.length > 1 ? names : []
  return [
    ...shown.map((name) => ({
      label: `${way.label}: processor, ${name}`,
      value: median(full.map(({ processor }) => processor[name] ?? 0)),
      unit: 's for 1,000 messages',
    })),
    { label: `${way.label}: load of the client, of one core`, value: median(full.map(({ clientLoad }) => clientLoad)) * 100, unit: '%' },
  ]
}

function total({ processor }: Passage): number {
  return Object.values(processor).reduce((sum, seconds) => sum + seconds, 0)
}

function median(values: number[]): number {
  return percentile(values, 0.5)
}
