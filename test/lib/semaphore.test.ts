import { expect, test } from 'vitest'
import { createSemaphore } from '../../src/lib/semaphore.ts'
import { createShares } from '../../src/lib/shares.ts'

const { signal } = new AbortController()
const shares = (max: number) => createShares({ max })

test('holders share the places, and one that has its share does not hold up those behind it', async () => {
  const places = createSemaphore({ max: 4, maxWaiting: 8, shares })
  const other = await places.take(signal, 'other')
  const held = await places.take(signal, 'greedy')
  const began: string[] = []
  const waiting = ['greedy', 'third'].map((holder) => places.take(signal, holder).finally(() => began.push(holder)))
  expect((await waiting[1]) === undefined).toBe(false)
  expect(began).toEqual(['third'])
  held?.[Symbol.dispose]()
  expect((await waiting[0]) === undefined).toBe(false)
  other?.[Symbol.dispose]()
  expect(places.size).toBe(2)
})

test('holders share the queue', async () => {
  const places = createSemaphore({ max: 1, maxWaiting: 8, shares })
  await places.take(signal, 'busy')
  const gone = new AbortController()
  const waiting = [places.take(gone.signal, 'other'), places.take(gone.signal, 'greedy'), places.take(gone.signal, 'greedy')]
  expect(await places.take(gone.signal, 'greedy')).toBeUndefined()
  waiting.push(places.take(gone.signal, 'other'))
  gone.abort(new Error('given up'))
  for (const each of waiting) await expect(each).rejects.toThrow('given up')
  expect(places.size).toBe(1)
})

test('without shares one holder may have all, and those that wait begin in their order', async () => {
  const places = createSemaphore({ max: 2, maxWaiting: 2 })
  const [first] = [await places.take(signal), await places.take(signal)]
  const began: number[] = []
  const waiting = [1, 2].map((number) => places.take(signal).finally(() => began.push(number)))
  expect(await places.take(signal)).toBeUndefined()
  first?.[Symbol.dispose]()
  first?.[Symbol.dispose]()
  const second = await waiting[0]
  expect(began).toEqual([1])
  second?.[Symbol.dispose]()
  await waiting[1]
  expect([began, places.size]).toEqual([[1, 2], 2])
})

test('holders take turns: who comes later waits for no second place of a holder that has many waiting', async () => {
  const places = createSemaphore({ max: 1, maxWaiting: 100, shares })
  const began: string[] = []
  const take = async (holder: string) => {
    using _place = await places.take(signal, holder)
    began.push(holder)
  }
  const held = await places.take(signal, 'greedy')
  const waiting = [...Array(5).fill('greedy'), 'one', 'one', 'two'].map(take)
  held?.[Symbol.dispose]()
  await Promise.all(waiting)
  expect(began).toEqual(['one', 'two', 'greedy', 'one', 'greedy', 'greedy', 'greedy', 'greedy'])
})
