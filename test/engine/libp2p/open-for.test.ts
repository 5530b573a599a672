import type { Connection } from '@libp2p/interface'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { openFor } from '../../../src/engine/libp2p/transport/open-for.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const opened = (agoMs: number) => ({ timeline: { open: Date.now() - agoMs } }) as Connection

test.each([-30, 8])('a wall clock that steps by %i days neither ages a connection nor makes it young', (days) => {
  const connection = opened(2_000)
  expect(openFor(connection)).toBe(2_000)
  vi.setSystemTime(Date.now() + days * 86_400_000)
  vi.advanceTimersByTime(500)
  expect(openFor(connection)).toBe(2_500)
})

test('one that was opened in the future has just been opened', () => {
  const connection = opened(-5_000)
  vi.advanceTimersByTime(1)
  expect(openFor(connection)).toBe(0)
  vi.advanceTimersByTime(7)
  expect(openFor(connection)).toBe(7)
})
