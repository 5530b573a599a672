import { expect, test } from 'vitest'
import { pauseMs } from '../../clients/typescript/src/back-off.ts'

const range = { firstMs: 500, lastMs: 30_000 }

test('the longest pause doubles with each failure up to the last', () => {
  const longest = [0, 1, 2, 5, 6, 7, 1_000].map((failures) => pauseMs(range, failures, 0, () => 1))
  expect(longest).toEqual([500, 1_000, 2_000, 16_000, 30_000, 30_000, 30_000])
})

test('the whole pause is drawn', () => {
  expect(pauseMs(range, 3, 0, () => 0)).toBe(0)
  expect(pauseMs(range, 3, 0, () => 0.5)).toBe(2_000)
})

test('what the gateway asks for is kept, and the drawn pause comes after it', () => {
  expect(pauseMs(range, 0, 1_000, () => 0)).toBe(1_000)
  expect(pauseMs(range, 0, 1_000, () => 1)).toBe(1_500)
})
