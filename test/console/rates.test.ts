import { expect, test } from 'vitest'
import { perSecond } from '../../console/rates.ts'

const counts = (at: number, entries: Record<string, number>) => ({ at, counts: new Map(Object.entries(entries)) })

test('says the growth of each count per second', () => {
  const before = counts(1_000, { grows: 10, pruned: 50, gone: 1 })
  const now = counts(3_000, { grows: 30, pruned: 20, new: 4 })
  expect(perSecond(before, now)).toEqual(
    new Map([
      ['grows', 10],
      ['pruned', 0],
      ['new', 2],
    ]),
  )
})

test('says nothing without an earlier time', () => {
  expect(perSecond(undefined, counts(1_000, { grows: 10 })).size).toBe(0)
  expect(perSecond(counts(1_000, {}), counts(1_000, { grows: 10 })).size).toBe(0)
})
