import { expect, test } from 'vitest'
import { createPassedOn } from '../../src/engine/passed-on.ts'

const budget = { burst: 20_000, perSecond: 10_000 }

test('offers to one peer take two fifths of the budget that it gives the relay, shared by those that send them', () => {
  let time = 0
  const passedOn = createPassedOn({ budget }, { now: () => time })
  const offers = (from: string, to: string) => {
    let count = 0
    while (count < 10_000 && passedOn.offer(from, to, 10)) count++
    return count
  }
  expect(offers('crowd', 'target')).toBe((0.4 * budget.burst) / 10)
  // It has used nothing yet.
  expect(passedOn.offer('modest', 'target', 10)).toBe(true)
  expect(passedOn.offer('crowd', 'another', 10)).toBe(true)
  time += 1_000
  expect(offers('crowd', 'target')).toBeLessThanOrEqual((0.4 * budget.perSecond) / 10)
})

test('a circuit has a little of its own when others have used up the rest', () => {
  const passedOn = createPassedOn({ budget }, { now: () => 0 })
  const busy = passedOn.way('busy', 'target')
  let units = 0
  while (units < budget.burst && busy.pass(1)) units++
  expect(units).toBeLessThan(budget.burst / 2)
  expect(busy.isFast).toBe(true)
  const modest = passedOn.way('modest', 'target')
  expect(modest.isFast).toBe(false)
  expect(Array.from({ length: 40 }, () => modest.pass(1))).not.toContain(false)
  expect(modest.pass(1)).toBe(false)
})
