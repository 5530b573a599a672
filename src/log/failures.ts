import { BoundedMap } from '../lib/bounded-map.ts'

/** Waits in vain, by the name that they count against. */
export interface Failures {
  /**
   * Others have waited for these messages in vain. What happens within one moment counts once, since an honest peer may
   * lose many messages at once.
   */
  note(name: string, ids: readonly string[]): void
  /**
   * These messages have come. A failure all of whose messages came after all was none: the peer, or this gateway, was only
   * slow.
   */
  came(ids: Iterable<string>): void
  /** Whether there were `max` failures, the first of them less than `failuresMs` ago. */
  isFull(name: string): boolean
}

const failuresMs = 600_000
const momentMs = 1_000
/** Names whose failures are remembered: more than peers are linked. */
const maxFailed = 2_000
/** Messages of failures that may still come, about 300 bytes each. Beyond them a failure stays one. */
const maxAwaited = 2_000

/** The waits in vain of one moment, for messages of one name. */
interface Failure {
  readonly name: string
  /** By the monotonic clock. */
  readonly at: number
  /** How many of its messages have not come. */
  missing: number
}

export function createFailures({ max }: { max: number }): Failures {
  /** The latest failures of each name. */
  const failures = new BoundedMap<string, Failure[]>({ max: maxFailed })
  /** Failures by the ids of their messages. */
  const awaited = new BoundedMap<string, Failure[]>({ max: maxAwaited })

  /** The failure of this moment. */
  function failureOf(name: string): Failure {
    const now = performance.now()
    const before = failures.get(name) ?? []
    const latest = before.at(-1)
    if (latest !== undefined && latest.at > now - momentMs) return latest
    const failure = { name, at: now, missing: 0 }
    failures.set(name, [...before, failure].slice(-max))
    return failure
  }

  function forgive(failure: Failure): void {
    const left = (failures.get(failure.name) ?? []).filter((other) => other !== failure)
    if (left.length > 0) failures.set(failure.name, left)
    else failures.delete(failure.name)
  }

  return {
    note(name, ids) {
      const failure = failureOf(name)
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
    isFull(name) {
      const [first, ...others] = failures.get(name) ?? []
      return first !== undefined && 1 + others.length >= max && first.at > performance.now() - failuresMs
    },
  }
}
