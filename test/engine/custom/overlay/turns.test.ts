import { expect, test } from 'vitest'
import { createTurns } from '../../../../src/engine/custom/overlay/turns.ts'

function setUp(items: number) {
  const turns = createTurns<number>({ turns: 10, turnMs: 100, maxWoken: 3 })
  for (let item = 0; item < items; item++) turns.add(item)
  const take = (now: number) => {
    const taken: number[] = []
    turns.take(now, (item) => taken.push(item))
    return taken
  }
  // A new item has its first turn at once.
  for (let times = 0; times < items; times++) take(0)
  return { turns, take }
}

test('each item has a turn in a round, a part of them at a time', () => {
  const { take } = setUp(100)
  const parts = Array.from({ length: 10 }, (_, at) => take(100 * (at + 1)))
  expect(parts.map(({ length }) => length)).toEqual(Array(10).fill(10))
  expect(parts.flat().toSorted((one, other) => one - other)).toEqual(Array.from({ length: 100 }, (_, item) => item))
  expect(take(1_050)).toEqual([])
})

test('a late call makes up for what it missed, each item once', () => {
  const { take } = setUp(100)
  expect(take(500)).toHaveLength(50)
  expect(take(60_000)).toHaveLength(100)
})

test('what is woken has its turn at once, so many in a call', () => {
  const { turns, take } = setUp(100)
  for (const item of [5, 6, 7, 8]) turns.wake(item)
  expect(take(0)).toEqual([5, 6, 7])
  expect(take(0)).toEqual([8])
  expect(take(0)).toEqual([])
})

test('what is deleted has no turn', () => {
  const { turns, take } = setUp(2)
  turns.wake(0)
  turns.delete(0)
  expect(take(1_000)).toEqual([1])
})
