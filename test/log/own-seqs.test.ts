import { expect, test } from 'vitest'
import { createOwnSeqs } from '../../src/log/own-seqs.ts'

test('what another gateway appended between two runs is not own, nor what comes before and behind them', () => {
  const own = createOwnSeqs({ maxRuns: 10 })
  own.add(3, 5)
  own.add(8, 8)
  expect([2, 3, 5, 6, 7, 8, 9].filter((seq) => own.has(seq))).toEqual([3, 5, 8])
})

test('runs without a gap count as one; of more than may be kept the oldest is forgotten', () => {
  const own = createOwnSeqs({ maxRuns: 2 })
  for (let seq = 1; seq <= 100; seq++) own.add(seq, seq)
  own.add(102, 103)
  expect([1, 100, 101, 103].filter((seq) => own.has(seq))).toEqual([1, 100, 103])
  own.add(105, 105)
  expect([1, 100, 102, 103, 105].filter((seq) => own.has(seq))).toEqual([102, 103, 105])
})

test('forgets the runs that end up to a seq, and keeps the others whole', () => {
  const own = createOwnSeqs({ maxRuns: 10 })
  own.add(3, 5)
  own.add(8, 8)
  own.add(10, 12)
  own.forget(4)
  expect([3, 8, 10].filter((seq) => own.has(seq))).toEqual([3, 8, 10])
  own.forget(8)
  expect([3, 5, 8, 10, 12].filter((seq) => own.has(seq))).toEqual([10, 12])
  own.forget(Number.MAX_SAFE_INTEGER)
  expect(own.has(12)).toBe(false)
})
