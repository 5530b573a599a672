import { BoundedMap } from '../lib/bounded-map.ts'
import { createShares } from '../lib/shares.ts'

/**
 * What peers may make a gateway expect: a part of all messages that are expected, by peer and by author, as long as what
 * they announce comes.
 */
export interface Announcers {
  /** A place for a message that the peer announces. Undefined when its announcement does not count. */
  place(peerId: string, author: string): Disposable | undefined
  /** Others have waited for these messages, which the peer announced, in vain. */
  failed(peerId: string, ids: readonly string[]): void
  /**
   * These messages have come. A failure all of whose messages came after all was none: the peer, or this gateway, was only
   * slow.
   */
  came(ids: Iterable<string>): void
  /** Whether its announcements count. */
  trusts(peerId: string): boolean
}

/** Expected messages at most, about 400 bytes each: several pages of history. A page of one author must fit. */
const maxExpected = 20_000
const authorShare = 1 / 2
/**
 * After `maxFailures` waits in vain within `failuresMs`, announcements of a peer no longer count, until the first of these
 * waits is `failuresMs` old. Failures of one moment are one, since an honest peer may lose many messages at once.
 */
const maxFailures = 5
const failuresMs = 600_000
const momentMs = 1_000
/** Peers whose failures are remembered: more than are linked. */
const maxFailed = 2_000
/** Messages of failures that may still come, about 300 bytes each. Beyond them a failure stays one. */
const maxAwaited = 2_000

/** The waits in vain of one moment, for messages of one peer. */
interface Failure {
  readonly peerId: string
  /** By the monotonic clock. */
  readonly at: number
  /** How many of its messages have not come. */
  missing: number
}

export function createAnnouncers(): Announcers {
  const peers = createShares({ max: maxExpected })
  const authors = createShares({ max: maxExpected, share: authorShare })
  /** The latest failures of each peer. */
  const failures = new BoundedMap<string, Failure[]>({ max: maxFailed })
  /** Failures by the ids of their messages. */
  const awaited = new BoundedMap<string, Failure[]>({ max: maxAwaited })

  function trusts(peerId: string): boolean {
    const [first, ...others] = failures.get(peerId) ?? []
    return first === undefined || 1 + others.length < maxFailures || first.at <= performance.now() - failuresMs
  }

  /** The failure of this moment. */
  function failureOf(peerId: string): Failure {
    const now = performance.now()
    const before = failures.get(peerId) ?? []
    const latest = before.at(-1)
    if (latest !== undefined && latest.at > now - momentMs) return latest
    const failure = { peerId, at: now, missing: 0 }
    failures.set(peerId, [...before, failure].slice(-maxFailures))
    return failure
  }

  function forgive(failure: Failure): void {
    const left = (failures.get(failure.peerId) ?? []).filter((other) => other !== failure)
    if (left.length > 0) failures.set(failure.peerId, left)
    else failures.delete(failure.peerId)
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
    failed(peerId, ids) {
      const failure = failureOf(peerId)
      for (const id of ids) {
        const others = awaited.get(id) ?? []
        if (others.includes(failure)) continue
        failure.missing++
        awaited.set(id, [...others, failure])
      }
    },
    came(ids) {
      if (awaited.size === 0) return
      for (const id of ids) {
        for (const failure of awaited.get(id) ?? []) if (--failure.missing === 0) forgive(failure)
        awaited.delete(id)
      }
    },
    trusts,
  }
}
