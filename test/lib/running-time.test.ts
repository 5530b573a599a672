import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { createRunningTime } from '../../src/lib/running-time.ts'
import { leapClock } from '../fixtures/stand-still.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test('it goes with the monotonic clock', () => {
  const time = createRunningTime()
  onTestFinished(() => time.stop())
  time.start()
  const begun = time.now()
  for (const ms of [1, 200, 400, 100_000]) vi.advanceTimersByTime(ms)
  expect(time.now() - begun).toBe(100_601)
})

test('of the time in which the process stands still half a second counts', () => {
  const time = createRunningTime()
  onTestFinished(() => time.stop())
  time.start()
  const begun = time.now()
  vi.advanceTimersByTime(1_000)
  leapClock(60_000)
  expect(time.now() - begun).toBe(1_500)
  vi.advanceTimersByTime(1_000)
  expect(time.now() - begun).toBeGreaterThanOrEqual(2_000)
  expect(time.now() - begun).toBeLessThanOrEqual(2_500)
})

test('it stands still before its start and after its stop', () => {
  const time = createRunningTime()
  vi.advanceTimersByTime(1_000)
  const begun = time.now()
  time.start()
  expect(time.now()).toBe(begun)
  vi.advanceTimersByTime(1_000)
  time.stop()
  vi.advanceTimersByTime(1_000)
  expect(time.now() - begun).toBe(1_000)
})
