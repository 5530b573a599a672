import { type EngineLimit, engineLimits } from '../model/engine-limits.ts'

/** Counts how often each limit made an engine refuse or cut something since it was created. */
export interface LimitsReached {
  note(limit: EngineLimit): void
  readonly counts: Readonly<Record<EngineLimit, number>>
}

export function createLimitsReached(): LimitsReached {
  const counts = countsOf(() => 0)
  return { counts, note: (limit) => void counts[limit]++ }
}

export function sumOfLimits(all: ReadonlyArray<LimitsReached['counts']>): LimitsReached['counts'] {
  return countsOf((limit) => all.reduce((sum, counts) => sum + counts[limit], 0))
}

function countsOf(count: (limit: EngineLimit) => number): Record<EngineLimit, number> {
  return Object.fromEntries(engineLimits.map((limit) => [limit, count(limit)])) as Record<EngineLimit, number>
}
