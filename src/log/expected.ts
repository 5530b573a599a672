import type { LogStore } from '../store/log-store.ts'

/** A message that peers say they have, and that is not known to be here. */
export interface Expected {
  readonly author: string
  readonly sequence: bigint
  until: number
  /** The peers that it is expected of. */
  readonly by: Set<string>
  readonly place: Disposable
  /** Whether it was looked up in the log, which may have it though the peer's link does not know. */
  isLookedUp: boolean
}

/** What is expected of one author. */
export interface ExpectedOf {
  /** By rising sequence number. */
  readonly expected: Expected[]
  /** How many of the expected were not looked up yet. */
  toLookUp: number
  isLookingUp: boolean
}

/** Ids that are looked up at once: a part of a millisecond. */
const lookedUpAtOnce = 200

/**
 * Asks the log for the messages that are expected of an author, up to the number that `last` gives, and calls `found`
 * with the ids of those that it has.
 */
export async function lookUp(
  name: string,
  author: ExpectedOf,
  { log, last, found }: { log: Pick<LogStore, 'unknown'>; last(): bigint; found(ids: string[]): void },
): Promise<void> {
  if (author.isLookingUp || author.toLookUp === 0) return
  author.isLookingUp = true
  try {
    for (;;) {
      const end = last()
      const asked = author.expected.filter(({ isLookedUp, sequence }) => !isLookedUp && sequence < end).slice(0, lookedUpAtOnce)
      if (asked.length === 0) return
      for (const entry of asked) entry.isLookedUp = true
      author.toLookUp -= asked.length
      const ids = asked.map(({ sequence }) => `${name}.${sequence}`)
      const unknown = new Set(await log.unknown(ids))
      found(ids.filter((id) => !unknown.has(id)))
    }
  } catch {
    // The wait has an end of its own.
  } finally {
    author.isLookingUp = false
  }
}

/** The index of the first element whose sequence number is not below one. */
export function placeOf(list: ReadonlyArray<{ sequence: bigint }>, sequence: bigint): number {
  let [from, to] = [0, list.length]
  while (from < to) {
    const middle = (from + to) >>> 1
    if ((list[middle]?.sequence ?? sequence) < sequence) from = middle + 1
    else to = middle
  }
  return from
}
