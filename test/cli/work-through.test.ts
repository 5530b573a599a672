import { expect, test } from 'vitest'
import { workThrough } from '../../src/cli/work-through.ts'

/** Work that ends when the test says so. Items are numbers, of which there is always another one. */
function byHand(options: { concurrency: number; limit?: number; signal?: AbortSignal }) {
  const open = new Map<number, PromiseWithResolvers<void>>()
  let last = 0
  const working = workThrough<number>({
    limit: Number.POSITIVE_INFINITY,
    signal: new AbortController().signal,
    ...options,
    pull: async (room) => [++last].slice(0, room),
    handle(item) {
      const work = Promise.withResolvers<void>()
      open.set(item, work)
      return work.promise.finally(() => open.delete(item))
    },
  })
  working.catch(() => undefined)
  return { working, open, inWork: () => Array.from(open.keys()) }
}

test('no more items are in work than are allowed, and each that ends makes room', async () => {
  const { open, inWork } = byHand({ concurrency: 2 })
  await expect.poll(inWork).toEqual([1, 2])
  open.get(1)?.resolve()
  await expect.poll(inWork).toEqual([2, 3])
})

test('when it is told to stop it takes nothing more, and waits for what it has begun', async () => {
  const stopping = new AbortController()
  const { working, open, inWork } = byHand({ concurrency: 2, signal: stopping.signal })
  await expect.poll(inWork).toEqual([1, 2])
  stopping.abort()
  open.get(2)?.resolve()
  await expect.poll(inWork).toEqual([1])
  open.get(1)?.resolve()
  await working
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
