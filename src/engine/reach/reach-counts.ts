import type { PunchCounts, PunchOutcome, PunchTransport } from '../../telemetry/network-metrics.ts'

/** What a node did so that peers behind routers are reached, counted since its engine was created. */
export interface ReachCounts {
  /** Attempts at a direct path through routers that have ended, of both roles. */
  readonly punches: PunchCounts
  /** Circuits that this node carries for others now. */
  readonly circuits: number
  /** Bytes that it has carried for others, of both directions. */
  readonly circuitBytes: number
}

export interface ReachCounter {
  readonly counts: ReachCounts
  punched(transport: PunchTransport, outcome: PunchOutcome): void
  circuitOpened(): void
  circuitClosed(): void
  carried(bytes: number): void
}

export function createReachCounter(): ReachCounter {
  const counts = { punches: { tcp: { succeeded: 0, failed: 0 }, udp: { succeeded: 0, failed: 0 } }, circuits: 0, circuitBytes: 0 }
  return {
    counts,
    punched: (transport, outcome) => void counts.punches[transport][outcome]++,
    circuitOpened: () => void counts.circuits++,
    circuitClosed: () => void counts.circuits--,
    carried(bytes) {
      counts.circuitBytes += bytes
    },
  }
}
