import { test } from 'vitest'
import { canRoute } from '../fixtures/routed-network.ts'
import { type PeerKind, peersOfRun } from './built-peers.ts'
import { aloneVariable } from './own-network.ts'

/** One field of the table in `docs/interop.md`. */
export interface Cell {
  /** Who is at the other end, such as "Go, with Kubo's validator". */
  readonly peer: string
  /** What is tried, as the end of a sentence about the peer. */
  readonly name: string
  /** Of its libraries. */
  readonly version: string
  /** What was counted; the reporter puts failures in its place. */
  result?: string
}

declare module 'vitest' {
  interface TaskMeta {
    cell?: Cell
  }
}

interface CellInit {
  /** The peers that take part, the one that it is about first. */
  readonly kinds: readonly [PeerKind, ...PeerKind[]]
  readonly peer?: string
  readonly name: string
  /** Whether it needs a network without anybody else in it. */
  readonly alone?: boolean
  /** Whether it needs hosts behind routers. */
  readonly routed?: boolean
  /** Why it is tried only with `PEERGATE_INTEROP=all`: it fails now and then for a reason that is not mended yet. */
  readonly onDemand?: string
  /** Milliseconds; by default three minutes. */
  readonly timeout?: number
}

const titles: Record<PeerKind, string> = { go: 'Go', kubo: 'Kubo', rust: 'Rust', python: 'Python' }

/** Milliseconds: a cell waits for conditions, and takes some ten seconds on a machine that has nothing else to do. */
const usualTimeout = 180_000

/** A test, which says what it counted. It is skipped where a peer that it needs was not built. */
export function cell(
  { kinds, peer = titles[kinds[0]], name, alone = false, routed = false, onDemand, timeout = usualTimeout }: CellInit,
  body: () => Promise<string>,
): void {
  test(`${peer}: ${name}`, { timeout }, async ({ task, skip }) => {
    const peers = peersOfRun()
    const built = peers[kinds[0]]
    task.meta.cell = { peer, name, version: 'missing' in built ? '' : built.version }
    for (const kind of kinds) {
      const needed = peers[kind]
      if ('missing' in needed) skip(`${titles[kind]}: ${needed.missing}`)
    }
    if (onDemand !== undefined) skip(process.env['PEERGATE_INTEROP'] !== 'all', onDemand)
    skip(alone && process.env[aloneVariable] !== 'true', 'no network namespace could be made')
    skip(routed && !(await canRoute()), 'network namespaces and nft are needed')
    task.meta.cell.result = await body()
  })
}
