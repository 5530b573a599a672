import type { Logger } from 'pino'
import { createSeldom, sayAgainMs } from '../lib/seldom.ts'
import type { IdentityConflict } from './engine.ts'

/** Peer ids that two running nodes answer with: somebody has copied a key. */
export interface IdentityConflicts {
  note(conflict: { peerId: string; multiaddrs: string[]; toldBy: string | null }): void
  readonly all: IdentityConflict[]
}

/** Conflicts that are shown, the latest, and addresses of each. */
const maxConflicts = 20
const maxAddresses = 8

export function createIdentityConflicts(init: { peerId: string }, components: { logger: Logger; now?: () => number }): IdentityConflicts {
  const { logger, now = Date.now } = components
  const conflicts = new Map<string, IdentityConflict>()
  const isDue = createSeldom({ everyMs: sayAgainMs })

  return {
    note({ peerId, multiaddrs, toldBy }) {
      const before = conflicts.get(peerId)
      const all = [...new Set([...multiaddrs, ...(before?.multiaddrs ?? [])])].slice(0, maxAddresses)
      // What was seen here counts for more than what a peer says.
      const by = before !== undefined && before.toldBy === null ? null : toldBy
      conflicts.delete(peerId)
      conflicts.set(peerId, { peerId, multiaddrs: all, toldBy: by, lastSeenAt: now() })
      const [oldest] = conflicts.keys()
      if (conflicts.size > maxConflicts && oldest !== undefined) conflicts.delete(oldest)
      if (!isDue(peerId)) return
      const what = peerId === init.peerId ? "another node answers with this gateway's own peer id" : 'two nodes answer with one peer id'
      logger.warn({ peerId, multiaddrs: all, ...(toldBy === null ? {} : { toldBy }) }, `${what}; give each a key of its own`)
    },
    get all() {
      return [...conflicts.values()]
    },
  }
}
