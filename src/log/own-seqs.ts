import type { Seq } from '../model/cursor.ts'

/** The numbers of messages that this process has appended, of late. */
export interface OwnSeqs {
  /** Adds a run of numbers, above all before. */
  add(first: Seq, last: Seq): void
  has(seq: Seq): boolean
}

/** Runs that follow each other without a gap are one, so that a gateway alone with its database keeps one. */
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
  }
}
