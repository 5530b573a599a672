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

test('running time since an instant leaves out the pauses after it', () => {
  const time = createRunningTime()
  onTestFinished(() => time.stop())
  time.start()
  const first = performance.now()
  vi.advanceTimersByTime(1_000)
  leapClock(60_000)
  expect(time.since(first)).toBe(1_500)
  vi.advanceTimersByTime(1_000)
  const second = performance.now()
  leapClock(30_000)
  vi.advanceTimersByTime(1_000)
  for (const [instant, least] of [
    [first, 3_000],
    [second, 1_000],
  ] as const) {
    expect(time.since(instant)).toBeGreaterThanOrEqual(least)
    expect(time.since(instant)).toBeLessThanOrEqual(least + 1_000)
  }
  expect(time.since(performance.now())).toBe(0)
})

test('of many pauses the last ones are left out', () => {
  const time = createRunningTime()
  onTestFinished(() => time.stop())
  time.start()
  const first = performance.now()
  let last = first
  for (let pauses = 0; pauses < 100; pauses++) {
    last = performance.now()
    leapClock(1_000)
    vi.advanceTimersByTime(250)
  }
  expect(time.since(last)).toBeLessThanOrEqual(750)
  expect(time.since(first)).toBeGreaterThan(75_000)
})

test('time since an instant that a pause has just ended before is never negative', () => {
  const time = createRunningTime()
  onTestFinished(() => time.stop())
  time.start()
  leapClock(60_000)
  const instant = performance.now()
  vi.advanceTimersByTime(250)
  expect(time.since(instant)).toBeGreaterThanOrEqual(0)
})
