import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createWriteBehind } from '../../src/lib/write-behind.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** A buffer of numbers, whose writes end when the test says so. */
function buffer() {
  const waiting: number[] = []
  const writes: Array<{ batch: number[]; end: PromiseWithResolvers<void> }> = []
  const errors: unknown[] = []
  const behind = createWriteBehind(
    { delayMs: 1_000 },
    {
      async write() {
        const write = { batch: waiting.splice(0), end: Promise.withResolvers<void>() }
        if (write.batch.length === 0) return
        writes.push(write)
        await write.end.promise
      },
      onError: (error) => void errors.push(error),
    },
  )
  function note(value: number): void {
    waiting.push(value)
    behind.later()
  }
  return { behind, note, writes, errors, batches: () => writes.map(({ batch }) => batch) }
}

test('what is collected within the delay shares a write, and nothing is written without need', async () => {
  const { note, writes, batches } = buffer()
  note(1)
  await vi.advanceTimersByTimeAsync(999)
  note(2)
  expect(vi.getTimerCount()).toBe(1)
  expect(batches()).toEqual([])
  await vi.advanceTimersByTimeAsync(1)
  expect(batches()).toEqual([[1, 2]])
  writes[0]?.end.resolve()
  note(3)
  await vi.advanceTimersByTimeAsync(1_000)
  expect(batches()).toEqual([[1, 2], [3]])
  expect(vi.getTimerCount()).toBe(0)
})

test('a flush writes at once, after the write in progress, and waits for both', async () => {
  const { behind, note, writes, batches } = buffer()
  note(1)
  await vi.advanceTimersByTimeAsync(1_000)
  note(2)
  let isFlushed = false
  const flushed = behind.flush().then(() => {
    isFlushed = true
  })
  await vi.advanceTimersByTimeAsync(0)
  expect(batches()).toEqual([[1]])
  writes[0]?.end.resolve()
  await vi.advanceTimersByTimeAsync(0)
  expect(batches()).toEqual([[1], [2]])
  expect(isFlushed).toBe(false)
  writes[1]?.end.resolve()
  await flushed
  expect(vi.getTimerCount()).toBe(0)
})

test('a failed write is reported and does not fail the flush, or the next write', async () => {
  const { behind, note, writes, errors, batches } = buffer()
  note(1)
  const flushed = behind.flush()
  writes[0]?.end.reject('the disk is full')
  await flushed
  expect(errors).toEqual(['the disk is full'])
  note(2)
  await vi.advanceTimersByTimeAsync(1_000)
  expect(batches()).toEqual([[1], [2]])
})
