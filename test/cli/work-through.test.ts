import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { workThrough } from '../../src/cli/work-through.ts'

/** Work that ends when the test says so. Items are numbers, of which there is always another one. */
function byHand(options: { concurrency: number; limit?: number; signal?: AbortSignal; pulled?: number }) {
  const open = new Map<number, PromiseWithResolvers<void>>()
  const { pulled = 1 } = options
  const rooms: number[] = []
  let last = 0
  const working = workThrough<number>({
    limit: Number.POSITIVE_INFINITY,
    signal: new AbortController().signal,
    ...options,
    async pull(room) {
      rooms.push(room)
      return Array.from({ length: Math.min(room, pulled) }, () => ++last)
    },
    handle(item) {
      const work = Promise.withResolvers<void>()
      open.set(item, work)
      return work.promise.finally(() => open.delete(item))
    },
  })
  working.catch(() => undefined)
  return { working, open, rooms, inWork: () => Array.from(open.keys()) }
}

test('no more items are in work than are allowed, and each that ends makes room', async () => {
  const { open, inWork } = byHand({ concurrency: 2 })
  await expect.poll(inWork).toEqual([1, 2])
  open.get(1)?.resolve()
  await expect.poll(inWork).toEqual([2, 3])
})

test('no more items are taken than there is room for, nor than are left of the limit', async () => {
  const { working, open, rooms, inWork } = byHand({ concurrency: 3, limit: 5, pulled: 9 })
  await expect.poll(inWork).toEqual([1, 2, 3])
  open.get(1)?.resolve()
  await expect.poll(inWork).toEqual([2, 3, 4])
  for (const { resolve } of open.values()) resolve()
  await expect.poll(inWork).toEqual([5])
  open.get(5)?.resolve()
  await working
  expect(rooms).toEqual([3, 1, 1])
})

test('when it is told to stop it takes nothing more, and waits for what it has begun', async () => {
  const stopping = new AbortController()
  const { working, open, inWork } = byHand({ concurrency: 2, signal: stopping.signal })
  await expect.poll(inWork).toEqual([1, 2])
  stopping.abort()
  open.get(2)?.resolve()
  await expect.poll(inWork).toEqual([1])
  let hasEnded = false
  const ended = working.then(() => {
    hasEnded = true
  })
  await nextTurn()
  expect(hasEnded).toBe(false)
  open.get(1)?.resolve()
  await ended
  expect(inWork()).toEqual([])
})

test('the limit ends it', async () => {
  const { working, open, inWork } = byHand({ concurrency: 9, limit: 2 })
  await expect.poll(inWork).toEqual([1, 2])
  for (const { resolve } of open.values()) resolve()
  await working
})

test('what fails is thrown when the rest has ended', async () => {
  const { working, open, inWork } = byHand({ concurrency: 2 })
  await expect.poll(inWork).toEqual([1, 2])
  open.get(1)?.reject(new Error('refused'))
  await expect.poll(inWork).toEqual([2])
  open.get(2)?.resolve()
  await expect(working).rejects.toThrow('refused')
})

test('items that cannot be had end it, and a wait for them ends with the signal', async () => {
  const init = { concurrency: 1, limit: 1, handle: async () => {} }
  const pull = async () => {
    throw new Error('forbidden')
  }
  await expect(workThrough({ ...init, pull, signal: new AbortController().signal })).rejects.toThrow('forbidden')
  const stopping = new AbortController()
  const waiting = workThrough<number>({
    ...init,
    signal: stopping.signal,
    pull: (_room, signal) => new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
  })
  stopping.abort()
  await waiting
})
