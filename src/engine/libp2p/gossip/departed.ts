import { BoundedMap } from '../../../lib/bounded-map.ts'

/**
 * Neighbours that keep no log and whose link has ended, for a short time: one that returns is given what it missed
 * while other subscribers got it.
 */
export interface Departed {
  /** @param since id of the first message that the peer may not have received; undefined when it has received all */
  left(peerId: string, since: string | undefined): void
  /** A message is about to be sent or forwarded. It is the first that was missed by peers that had received all. */
  passes(id: () => string): void
  /** The id of the first message that a peer which returns may not have received, if any. The peer is forgotten. */
  returned(peerId: string): string | undefined
}

interface Entry {
  /** By the monotonic clock. */
  readonly at: number
  since: string | undefined
}

/** Maximum remembered peers, a few hundred bytes each. */
const maxDeparted = 1_000

/** @param init.keepMs time after the end of its link in which a peer is remembered */
export function createDeparted({ keepMs }: { keepMs: number }): Departed {
  const departed = new BoundedMap<string, Entry>({ max: maxDeparted })
  /** Whether some of them have received all messages so far. */
  let isAnyComplete = false

  function forgetOld(): void {
    departed.deleteWhile(({ at }) => at < performance.now() - keepMs)
  }

  return {
    left(peerId, since) {
      forgetOld()
      departed.set(peerId, { at: performance.now(), since })
      isAnyComplete ||= since === undefined
    },
    passes(id) {
      if (!isAnyComplete) return
      isAnyComplete = false
      const since = id()
      for (const entry of departed.values()) entry.since ??= since
    },
    returned(peerId) {
      forgetOld()
      const since = departed.get(peerId)?.since
      departed.delete(peerId)
      return since
    },
  }
}
