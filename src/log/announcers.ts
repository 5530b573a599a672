import { BoundedMap } from '../lib/bounded-map.ts'
import { createShares } from '../lib/shares.ts'

/**
 * What peers may make a gateway expect: a part of all messages that are expected, by peer and by author, as long as what
 * they announce comes.
 */
export interface Announcers {
  /** A place for a message that the peer announces. Undefined when its announcement does not count. */
  place(peerId: string, author: string): Disposable | undefined
  /** Others have waited for a message that the peer announced, in vain. */
  failed(peerId: string): void
  /** Whether its announcements count. */
  trusts(peerId: string): boolean
}

/** Expected messages at most, about 400 bytes each: several pages of history. A page of one author must fit. */
const maxExpected = 20_000
const authorShare = 1 / 2
/**
 * After `maxFailures` waits in vain within `failuresMs`, announcements of a peer no longer count, until the first of these
 * waits is so long ago. Failures of one moment are one, since an honest peer may lose many messages at once.
 */
const maxFailures = 5
const failuresMs = 600_000
const momentMs = 1_000
/** Peers whose failures are remembered: more than are linked. */
const maxFailed = 2_000

export function createAnnouncers(): Announcers {
  const peers = createShares({ max: maxExpected })
  const authors = createShares({ max: maxExpected, share: authorShare })
  /** Times of the latest failures, by the monotonic clock. */
  const failures = new BoundedMap<string, number[]>({ max: maxFailed })

  function trusts(peerId: string): boolean {
    const times = failures.get(peerId) ?? []
    return times.length < maxFailures || (times[0] ?? 0) <= performance.now() - failuresMs
  }

  return {
    place(peerId, author) {
      if (!trusts(peerId) || authors.refusal(author) !== undefined) return undefined
      const places = [peers.take(peerId), authors.hold(author, 1)]
      const give = () => {
        for (const place of places) place?.[Symbol.dispose]()
      }
      if (places[0] !== undefined) return { [Symbol.dispose]: give }
      give()
      return undefined
    },
    failed(peerId) {
      const now = performance.now()
      const times = failures.get(peerId) ?? []
      if ((times.at(-1) ?? Number.NEGATIVE_INFINITY) <= now - momentMs) failures.set(peerId, [...times, now].slice(-maxFailures))
    },
    trusts,
  }
}
