import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { FalseHistory } from '../../src/catch-up/history-reader.ts'
import { loneCatchUp } from './lone-catch-up.ts'

/** Milliseconds for which a peer that has lied is not asked. */
const distrustMs = 3_600_000

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** A catch-up whose peer lies each time it is asked: how often that was. */
async function deceived(init: { whileAsked?: (subscribe: () => void) => void } = {}) {
  let asked = 0
  const catchUp = await loneCatchUp({
    async readPage() {
      asked++
      init.whileAsked?.(subscribe)
      throw new FalseHistory('nobody signed it')
    },
  })
  const subscribe = () => catchUp.subscribe('liar')
  return { subscribe, asked: () => asked }
}

test('a peer that has lied is not asked when it comes back, for an hour', async () => {
  const { subscribe, asked } = await deceived()
  subscribe()
  await vi.advanceTimersByTimeAsync(1_000)
  expect(asked()).toBe(1)
  subscribe()
  await vi.advanceTimersByTimeAsync(distrustMs - 2_000)
  subscribe()
  expect(asked()).toBe(1)
  await vi.advanceTimersByTimeAsync(2_000)
  subscribe()
  await vi.advanceTimersByTimeAsync(1_000)
  expect(asked()).toBe(2)
})

test('a peer that subscribes while it lies is not asked again for that', async () => {
  const { subscribe, asked } = await deceived({ whileAsked: (again) => again() })
  subscribe()
  await vi.advanceTimersByTimeAsync(distrustMs / 2)
  expect(asked()).toBe(1)
})
