import type { Logger } from 'pino'
import { BoundedMap } from '../lib/bounded-map.ts'
import { createSeldom, sayAgainMs } from '../lib/seldom.ts'

export interface IdentityConflict {
  peerId: string
  /**
   * Where the nodes that use the peer id were last seen, as multiaddrs. Earlier ones are not kept: a node that dials again
   * comes from another port.
   */
  multiaddrs: string[]
  /** The peer that reported a conflict about this node's own peer id; null when this node saw it. */
  toldBy: string | null
  /** In milliseconds since 1970. */
  lastSeenAt: number
}

/** Peer ids that two running nodes use: a key was copied. */
export interface IdentityConflicts {
  note(conflict: { peerId: string; multiaddrs: string[]; toldBy: string | null }): void
  readonly all: IdentityConflict[]
}

/** Maximum conflicts kept, the latest ones. */
const maxConflicts = 20

export function createIdentityConflicts(init: { peerId: string }, components: { logger: Logger; now?: () => number }): IdentityConflicts {
  const { logger, now = Date.now } = components
  const conflicts = new BoundedMap<string, IdentityConflict>({ max: maxConflicts })
  const isDue = createSeldom({ everyMs: sayAgainMs })

  return {
    note({ peerId, multiaddrs, toldBy }) {
      const before = conflicts.get(peerId)
      const seenAt = multiaddrs.length > 0 ? multiaddrs : (before?.multiaddrs ?? [])
      // A conflict that this node saw outweighs a report of another peer.
      const by = before !== undefined && before.toldBy === null ? null : toldBy
      conflicts.set(peerId, { peerId, multiaddrs: seenAt, toldBy: by, lastSeenAt: now() })
      if (!isDue(peerId)) return
      const what = peerId === init.peerId ? "another node uses this gateway's peer id" : 'two nodes use the same peer id'
      logger.warn({ peerId, multiaddrs: seenAt, ...(toldBy === null ? {} : { toldBy }) }, `${what}; give each a key of its own`)
    },
    get all() {
      return [...conflicts.values()]
    },
  }
}
