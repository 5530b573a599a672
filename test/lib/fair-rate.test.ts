import { expect, test } from 'vitest'
import { createFairRate } from '../../src/lib/fair-rate.ts'

test('holders that ask without end share the rate, and do not shut out one that asks little', () => {
  const rate = createFairRate({ perSecond: 1_000 })
  const used = new Map<string, number>()
  const refused = new Map<string, number>()
  function ask(holder: string, now: number, units: number): void {
    const counts = rate.isOver(holder, now) ? refused : used
    if (counts === used) rate.spend(holder, now, units)
    counts.set(holder, (counts.get(holder) ?? 0) + units)
  }
  for (let now = 0; now < 10_000; now += 10) {
    for (const greedy of ['a', 'b', 'c', 'd']) for (let round = 0; round < 4; round++) ask(greedy, now, 50)
    if (now % 1_000 === 500) ask('modest', now, 50)
  }
  expect(refused.get('modest')).toBeUndefined()
  expect(used.get('modest')).toBe(500)
  for (const greedy of ['a', 'b', 'c', 'd']) expect(used.get(greedy)).toBeGreaterThan(1_500)
  const total = [...used.values()].reduce((sum, units) => sum + units, 0)
  // The rate, what may be used at once, and a unit of work under way for each.
  expect(total).toBeLessThan(10_000 + 1_000 + 5 * 50)
})

test('one alone has all of it, and what was given back can be used again', () => {
  const rate = createFairRate({ perSecond: 1_000 })
  rate.spend('a', 0, 1_500)
  expect(rate.isOver('a', 0)).toBe(true)
  expect(rate.isOver('b', 0)).toBe(false)
  rate.spend('a', 0, -1_000)
  expect(rate.isOver('a', 0)).toBe(false)
})
