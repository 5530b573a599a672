import { expect, test } from 'vitest'
import { createTurnBudget } from '../../src/lib/turn-budget.ts'

test('gives its number in each turn, and asks once for the end of the turn', () => {
  const ends: Array<() => void> = []
  const budget = createTurnBudget(2, (task) => ends.push(task))
  const take = (times: number) => Array.from({ length: times }, () => budget.take())
  expect(take(4)).toEqual([true, true, false, false])
  expect(ends).toHaveLength(1)
  ends.shift()?.()
  expect(take(1)).toEqual([true])
  ends.shift()?.()
  expect(take(3)).toEqual([true, true, false])
  expect(ends).toHaveLength(1)
})
