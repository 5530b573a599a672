import { number } from './words.ts'

/** How much there is of each thing, by name, at a time in milliseconds. */
export interface Counts {
  at: number
  counts: ReadonlyMap<string, number>
}

/** The growth of each count, per second; of what was not there before, all of it. Nothing without an earlier time. */
export function perSecond(before: Counts | undefined, now: Counts): Map<string, number> {
  if (before === undefined || now.at <= before.at) return new Map()
  const seconds = (now.at - before.at) / 1_000
  return new Map(Array.from(now.counts, ([name, count]) => [name, Math.max(0, count - (before.counts.get(name) ?? 0)) / seconds]))
}

/** Unknown before there is a second count. */
export function rateOf(rate: number | undefined): string {
  return rate === undefined ? '–' : `${number(rate)}/s`
}
