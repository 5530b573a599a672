import { getEventListeners } from 'node:events'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createDeadline, orAborted } from '../../src/lib/deadline.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test('fires after its time, with an error that says so', async () => {
  using deadline = createDeadline(1_000, [new AbortController().signal])
  await vi.advanceTimersByTimeAsync(999)
  expect(deadline.signal.aborted).toBe(false)
  await vi.advanceTimersByTimeAsync(1)
  expect(deadline.isOver).toBe(true)
  expect(deadline.signal.reason).toMatchObject({ name: 'TimeoutError' })
})

test('fires with the first of its signals, for the same reason, and is not over then', async () => {
  const [one, other] = [new AbortController(), new AbortController()]
  using deadline = createDeadline(1_000, [one.signal, other.signal])
  other.abort('the client has left')
  one.abort('the node is stopping')
  await vi.advanceTimersByTimeAsync(1_000)
  expect(deadline.signal.reason).toBe('the client has left')
  expect(deadline.isOver).toBe(false)
  using late = createDeadline(1_000, [other.signal])
  expect(late.signal.reason).toBe('the client has left')
})

test('leaves neither a timer nor a listener behind, and never fires after its disposal', () => {
  const { signal } = new AbortController()
  const deadline = createDeadline(1_000, [signal])
  expect(vi.getTimerCount()).toBe(1)
  deadline[Symbol.dispose]()
  expect(vi.getTimerCount()).toBe(0)
  expect(getEventListeners(signal, 'abort')).toEqual([])
  expect(deadline.signal.aborted).toBe(false)
})

test('work ends with its signal, whether it fires later or has fired before', async () => {
  const never = new Promise<void>(() => undefined)
  const stopping = new AbortController()
  const waiting = orAborted(never, stopping.signal)
  stopping.abort(new Error('stopped'))
  await expect(waiting).rejects.toThrow('stopped')
  await expect(orAborted(never, stopping.signal)).rejects.toThrow('stopped')
  const { signal } = new AbortController()
  expect(await orAborted(Promise.resolve(7), signal)).toBe(7)
  expect(getEventListeners(signal, 'abort')).toEqual([])
})
