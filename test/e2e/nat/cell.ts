import type { EngineName } from '../../fixtures/gateway-process.ts'
import type { RouterKind } from '../../fixtures/nat-kinds.ts'

/** A line on which packets are lost and late. From one gateway to the other a packet crosses two of them. */
export const badLine = { lossPercent: 2, delayMs: 50 }

/** One try of a field of the tables in `docs/reach.md`. */
export interface Cell {
  readonly engine: EngineName
  /** The routers of the two gateways. */
  readonly kinds: readonly [RouterKind, RouterKind]
  /** Whether packets between each gateway and its router are lost and late (`badLine`). */
  readonly lines: 'good' | 'bad'
  /** The path that was awaited. */
  readonly path: 'direct' | 'relay'
  /** Milliseconds from the start of the second gateway until both used the path. */
  tookMs?: number
}

declare module 'vitest' {
  interface TaskMeta {
    reach?: Cell
  }
}
