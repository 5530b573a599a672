import type { Seq } from '../model/cursor.ts'

/** The seqs of messages that this process, or one of its clients, appended recently. */
export interface OwnSeqs {
  /** Adds a run of seqs above all earlier ones. */
  add(first: Seq, last: Seq): void
  has(seq: Seq): boolean
  /** Forgets the runs up to a seq. */
  forget(through: Seq): void
}

/** Adjacent runs are merged, so a gateway that is alone with its database keeps one run. */
export function createOwnSeqs(init: { maxRuns: number }): OwnSeqs {
  const runs: Array<{ first: Seq; last: Seq }> = []
  return {
    add(first, last) {
      const newest = runs.at(-1)
      if (newest !== undefined && newest.last + 1 === first) newest.last = last
      else runs.push({ first, last })
      if (runs.length > init.maxRuns) runs.shift()
    },
    has(seq) {
      const run = runs.findLast(({ first }) => first <= seq)
      return run !== undefined && seq <= run.last
    },
    forget(through) {
      const left = runs.findIndex(({ last }) => last > through)
      runs.splice(0, left === -1 ? runs.length : left)
    },
  }
}
