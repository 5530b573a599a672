import type { EngineName } from '../../fixtures/gateway-process.ts'
import type { RouterKind } from '../../fixtures/nat-kinds.ts'

/** One try of a field of the tables in `docs/reach.md`. */
export interface Cell {
  readonly engine: EngineName
  /** The routers of the two gateways. */
  readonly kinds: readonly [RouterKind, RouterKind]
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
