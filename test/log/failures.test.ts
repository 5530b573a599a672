import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createFailures } from '../../src/log/failures.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test('a failure is none once its messages have come, however often they were named', () => {
  const failures = createFailures({ max: 1 })
  failures.note('peer', ['a'])
  failures.note('peer', ['a', 'b'])
  failures.came(['a'])
  expect(failures.isFull('peer')).toBe(true)
  failures.came(['b'])
  expect(failures.isFull('peer')).toBe(false)
})

test('a message that comes again makes up for no other', () => {
  const failures = createFailures({ max: 1 })
  failures.note('peer', ['a', 'b'])
  failures.came(['a'])
  failures.came(['a'])
  expect(failures.isFull('peer')).toBe(true)
})

test('the last failures of a name count, whatever was before them', () => {
  const failures = createFailures({ max: 2 })
  const fail = (id: string) => {
    failures.note('peer', [id])
    vi.advanceTimersByTime(2_000)
  }
  for (const id of ['a', 'b']) fail(id)
  expect(failures.isFull('peer')).toBe(true)
  vi.advanceTimersByTime(600_000)
  expect(failures.isFull('peer')).toBe(false)
  for (const id of ['c', 'd']) fail(id)
  expect(failures.isFull('peer')).toBe(true)
})
