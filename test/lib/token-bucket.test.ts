import { expect, test } from 'vitest'
import { createTokenBucket, pace } from '../../src/lib/token-bucket.ts'

test('a bucket gives its burst at once, and then its rate', () => {
  const bucket = createTokenBucket({ perSecond: 10, burst: 3 })
  expect([0, 0, 0, 0].map((now) => bucket.take(now))).toEqual([true, true, true, false])
  expect([99, 100, 100].map((now) => bucket.take(now))).toEqual([false, true, false])
  expect(bucket.take(100_000, 4)).toBe(false)
})

test('what is spent beyond the burst is owed', () => {
  const bucket = createTokenBucket({ perSecond: 10, burst: 3 })
  bucket.spend(0, 5)
  expect([bucket.left(0), bucket.owedMs(0), bucket.owedMs(150), bucket.owedMs(200)]).toEqual([-2, 200, 50, 0])
})

test('work that is paced begins no sooner than the rate allows, in the order of the calls', async () => {
  const bucket = createTokenBucket({ perSecond: 1_000, burst: 0 })
  const { signal } = new AbortController()
  const start = performance.now()
  const began: Array<[name: string, afterMs: number]> = []
  const work = async (name: string, count: number) => {
    await pace(bucket, count, signal)
    began.push([name, performance.now() - start])
  }
  await Promise.all([work('first', 100), work('second', 50), work('third', 1)])
  expect(began.map(([name]) => name)).toEqual(['first', 'second', 'third'])
  // 100 and 150 ms: timers of Node.js have whole milliseconds, and may fire early by one.
  expect(began[1]?.[1]).toBeGreaterThan(90)
  expect(began[2]?.[1]).toBeGreaterThan(140)
})

test('a paced call that is aborted rejects with the reason', async () => {
  const bucket = createTokenBucket({ perSecond: 1, burst: 0 })
  const controller = new AbortController()
  await pace(bucket, 10, controller.signal)
  const waiting = pace(bucket, 1, controller.signal)
  controller.abort(new Error('enough'))
  await expect(waiting).rejects.toThrow()
  await expect(pace(bucket, 1, controller.signal)).rejects.toThrow('enough')
})
