import { expect, test } from 'vitest'
import { createEpoch } from '../../../src/engine/port-mapping/epoch.ts'

/** Times of this host and of the router, in seconds. */
function told(...times: Array<[here: number, there: number]>): boolean[] {
  let now = 0
  const epoch = createEpoch({ now: () => now })
  return times.map(([here, there]) => {
    now = here * 1_000
    return epoch.told(there)
  })
}

test('clocks that run at the same speed, within a sixteenth and two seconds, are those of one run', () => {
  expect(told([0, 500], [60, 560], [61, 560], [121, 624], [721, 1_190])).toEqual([false, false, false, false, false])
})

test('a clock that is behind the last answer is that of a router that was restarted', () => {
  expect(told([0, 500], [60, 498], [120, 558])).toEqual([false, true, false])
  expect(told([0, 3], [0, 1])).toEqual([false, true])
})

test('a second behind may be a reordered answer', () => {
  expect(told([0, 500], [0, 499])).toEqual([false, false])
})

test('a router that was restarted long ago tells less time than has passed, and one whose clock was set more', () => {
  expect(told([0, 10], [600, 300])).toEqual([false, true])
  expect(told([0, 10], [600, 2_000])).toEqual([false, true])
})
