import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { jsonCodec } from '../../src/stream/codec.ts'
import { createOutlet } from '../../src/stream/outlet.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const frame = { type: 'closing', reason: 'draining', retryAfterMs: 1 } as const

/** An outlet on a sink that a test empties. */
function outletOn(slowClientMs: number, maxSocketBufferBytes = 1) {
  const waiting: Array<{ bytes: number; written: (() => void) | undefined }> = []
  const told: string[] = []
  const sink = {
    isOpen: true,
    get bufferedBytes() {
      return waiting.reduce((sum, { bytes }) => sum + bytes, 0)
    },
    write: (bytes: Buffer | string, written?: () => void) => void waiting.push({ bytes: bytes.length, written }),
    whenWritten: (written: () => void) => void waiting.push({ bytes: 0, written }),
    cork: () => undefined,
    uncork: () => undefined,
  }
  const outlet = createOutlet(
    { maxSocketBufferBytes, slowClientMs },
    {
      sink,
      writer: jsonCodec,
      room: () => ({ [Symbol.dispose]: () => undefined }),
      onDrain: () => told.push('drain'),
      onTooSlow: () => told.push('too slow'),
    },
  )
  const take = () => {
    for (const { written } of waiting.splice(0)) written?.()
  }
  return { outlet, told, take, writes: () => waiting.map(({ bytes }) => bytes) }
}

test('a client that takes nothing is given up when its time is over, and not before', () => {
  const { outlet, told } = outletOn(1_000)
  outlet.send(frame)
  expect([outlet.writable, outlet.isBlocked]).toEqual([false, true])
  vi.advanceTimersByTime(999)
  expect(told).toEqual([])
  vi.advanceTimersByTime(1)
  expect(told).toEqual(['too slow'])
})

test('a client for which no more waits than may is written to', () => {
  const { outlet, told } = outletOn(1_000, 1_000)
  outlet.send(frame)
  expect([outlet.writable, outlet.isBlocked]).toEqual([true, false])
  vi.advanceTimersByTime(10_000)
  expect(told).toEqual([])
})

test('a client that takes something in time has all of the time again', () => {
  const { outlet, told, take } = outletOn(1_000)
  for (let round = 0; round < 3; round++) {
    outlet.send(frame)
    vi.advanceTimersByTime(999)
    take()
    expect(outlet.writable).toBe(true)
  }
  vi.advanceTimersByTime(10_000)
  expect(told).toEqual(['drain', 'drain', 'drain'])
})

test('many frames are one write, which ends where the buffer is full; the rest is for the next one', () => {
  const size = jsonCodec.write(frame).length
  const { outlet, told, take, writes } = outletOn(1_000, 2 * size)
  let left = 5
  const next = () => (left-- > 0 ? frame : undefined)
  outlet.sendMany(next)
  expect([writes(), left, outlet.isBlocked]).toEqual([[3 * size], 2, true])
  outlet.sendMany(next)
  expect([writes(), left]).toEqual([[3 * size], 2])
  take()
  outlet.sendMany(next)
  outlet.sendMany(next)
  expect([writes(), told, outlet.writable]).toEqual([[2 * size], ['drain'], true])
})
