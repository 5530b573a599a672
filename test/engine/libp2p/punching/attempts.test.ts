import type { Connection } from '@libp2p/interface'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createAttempts } from '../../../../src/engine/libp2p/punching/attempts.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** Attempts on one connection, with pauses of three quarters of their maximum. */
function attempts({ isDirect = (): boolean => false } = {}) {
  const status: Connection['status'] = 'open'
  const connection = Object.assign(new EventTarget(), { status }) as EventTarget & Connection
  const attempt = vi.fn()
  const { begin } = createAttempts({ isDirect, random: () => 0.5 })
  begin(connection, attempt)
  return { connection, attempt, begin }
}

test('an upgrade is tried at once, after 30 s, and after pauses that double up to 45 min', () => {
  const { attempt } = attempts()
  expect(attempt).toHaveBeenCalledTimes(1)
  let calls = 1
  for (const seconds of [30, 60, 120, 240, 480, 960, 1_920, 2_700, 2_700]) {
    vi.advanceTimersByTime(seconds * 1_000 - 1)
    expect(attempt).toHaveBeenCalledTimes(calls)
    vi.advanceTimersByTime(1)
    expect(attempt).toHaveBeenCalledTimes(++calls)
  }
})

test('nothing is tried while there is a direct connection, and again when it has ended', () => {
  let isDirect = true
  const { attempt } = attempts({ isDirect: () => isDirect })
  vi.advanceTimersByTime(30_000)
  expect(attempt).not.toHaveBeenCalled()
  isDirect = false
  // Its way was lost: the first attempt follows within five seconds.
  vi.advanceTimersByTime(5_000)
  expect(attempt).toHaveBeenCalledTimes(1)
  vi.advanceTimersByTime(30_000)
  expect(attempt).toHaveBeenCalledTimes(2)
})

test('a peer that identifies itself again and again causes no more attempts', () => {
  const { connection, attempt, begin } = attempts()
  for (let push = 0; push < 100; push++) begin(connection, attempt)
  expect(attempt).toHaveBeenCalledTimes(1)
  expect(vi.getTimerCount()).toBe(1)
})

test('nothing is tried once the connection has closed', () => {
  const { connection, attempt } = attempts()
  connection.dispatchEvent(new Event('close'))
  expect(vi.getTimerCount()).toBe(0)
  expect(attempt).toHaveBeenCalledTimes(1)
})

test('nothing is tried on a connection that closes', () => {
  const { connection, attempt } = attempts()
  connection.status = 'closing'
  vi.advanceTimersByTime(60_000)
  expect(attempt).toHaveBeenCalledTimes(1)
})
