/** How far the ceiling is raised ahead, in nanoseconds: one durable write covers ten seconds of publishing. */
export const ceilingBlock = 10_000_000_000n

/** Storage of the ceiling. */
export interface CeilingStore {
  readonly ceiling: bigint
  raise(ceiling: bigint): void
}

/**
 * Sequence numbers of an author: the clock in nanoseconds, but always above every number given before, across restarts
 * and backward clock steps (Kubo drops a number that does not rise). No number is given before a ceiling above it is
 * durable, so a crash skips numbers and never repeats one.
 */
export function createSequence(store: CeilingStore, now: () => bigint = clockNanoseconds): () => bigint {
  let last = store.ceiling
  return () => {
    const clock = now()
    last = clock > last ? clock : last + 1n
    if (last >= store.ceiling) store.raise(last + ceilingBlock)
    return last
  }
}

function clockNanoseconds(): bigint {
  return BigInt(Date.now()) * 1_000_000n
}
