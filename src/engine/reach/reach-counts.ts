import type { PunchOutcome } from '../../telemetry/network-metrics.ts'

/** What a node did so that peers behind routers are reached, counted since its engine was created. */
export interface ReachCounts {
  /** Attempts at a direct path through routers that have ended, of both roles. */
  readonly punches: Readonly<Record<PunchOutcome, number>>
  /** Circuits that this node carries for others now. */
  readonly circuits: number
  /** Bytes that it has carried for others, of both directions. */
  readonly circuitBytes: number
}

export interface ReachCounter {
  readonly counts: ReachCounts
  punched(outcome: PunchOutcome): void
  circuitOpened(): void
  circuitClosed(): void
  carried(bytes: number): void
}

export function createReachCounter(): ReachCounter {
  const counts = { punches: { succeeded: 0, failed: 0 }, circuits: 0, circuitBytes: 0 }
  return {
    counts,
    punched: (outcome) => void counts.punches[outcome]++,
    circuitOpened: () => void counts.circuits++,
    circuitClosed: () => void counts.circuits--,
    carried(bytes) {
      counts.circuitBytes += bytes
    },
  }
}
