import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { defaultLimits } from '../../src/limits.ts'
import { createAnnouncers } from '../../src/log/announcers.ts'
import { createOrder } from './order-for-test.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const { orderWaitMs, requestTimeoutMs } = defaultLimits

const named = (author: string, count: number) => Array.from({ length: count }, (_, number) => `${author}.${number}`)

test('one peer makes no more expected than its share, a quarter, while others make any', async () => {
  const { order, gone, come, pass } = createOrder()
  order.expect(['a.1'], 'other')
  order.expect(named('b', 3_000), 'liar')
  order.expect(named('c', 2_001), 'liar')
  come('c.2001')
  await pass(0)
  expect(gone).toEqual([])
  order.settled(named('c', 2_000))
  await pass(0)
  expect(gone).toEqual(['c.2001'])
})

test('of one author no more than half of what may be expected is, while any of others is', async () => {
  const { order, gone, come, pass } = createOrder()
  order.expect(['b.1'], 'other')
  for (const peer of ['one', 'two', 'three'])
    order.expect(named('a', 10_001).slice(peer === 'one' ? 0 : peer === 'two' ? 5_000 : 10_000), peer)
  order.settled(named('a', 10_000))
  come('a.10001')
  await pass(0)
  expect(gone).toEqual(['a.10001'])
})

test('no more than 20,000 messages are expected in all', async () => {
  const { order, gone, come, pass } = createOrder()
  for (const author of ['a', 'b', 'c', 'd']) order.expect(named(author, 5_000), author)
  order.expect(['e.1'], 'e')
  come('a.5000', 'e.2')
  await pass(0)
  expect(gone).toEqual(['e.2'])
})

test('a peer that let others wait in vain five times within ten minutes delays nobody until the first is that long ago', async () => {
  const { order, gone, come, pass } = createOrder()
  for (const number of [1, 3, 5, 7]) {
    order.expect([`a.${number}`], 'liar')
    come(`a.${number + 1}`)
    order.missed([`a.${number}`], 'liar')
    await pass(1_000)
  }
  order.expect(['a.9'], 'liar')
  come('a.10')
  await pass(orderWaitMs - 1)
  expect(gone).toEqual(['a.2', 'a.4', 'a.6', 'a.8'])
  await pass(1_000)
  order.expect(['b.1'], 'liar')
  come('b.2')
  await pass(0)
  expect(gone.slice(4)).toEqual(['a.10', 'b.2'])
  order.expect(['b.3'], 'other')
  order.expect(['b.3'], 'liar')
  come('b.4')
  order.missed(['b.3'], 'other')
  await pass(0)
  expect(gone.slice(6)).toEqual(['b.4'])
  await pass(600_000)
  order.expect(['b.5'], 'liar')
  come('b.6')
  await pass(0)
  expect(gone.slice(7)).toEqual([])
})

test('a time that others waited in vain does not count once all has come that they waited for', async () => {
  const { order, gone, come, pass } = createOrder()
  for (let number = 1; number < 20; number += 2) {
    order.expect([`a.${number}`], 'slow')
    come(`a.${number + 1}`)
    if (number % 4 === 1) order.missed([`a.${number}`], 'slow')
    await pass(orderWaitMs + 10)
    order.settled([`a.${number}`])
  }
  expect(gone).toHaveLength(10)
  order.expect(['a.21'], 'slow')
  come('a.22')
  await pass(0)
  expect(gone).toHaveLength(10)
  // One of two has come.
  for (let number = 1; number < 10; number += 2) {
    const ids = [`b.${number}`, `c.${number}`]
    order.expect(ids, 'liar')
    come(`b.${number + 1}`, `c.${number + 1}`)
    order.missed(ids, 'liar')
    order.settled([`b.${number}`])
    await pass(1_000)
  }
  const before = gone.length
  order.expect(['b.11'], 'liar')
  come('b.12')
  await pass(0)
  expect(gone.slice(before)).toEqual(['b.12'])
})

test('2,000 messages that were waited for in vain are remembered: others that come make up for nothing', async () => {
  const announcers = createAnnouncers()
  for (const peer of ['one', 'other'])
    for (const author of ['a', 'b', 'c', 'd', 'e']) {
      announcers.failed(peer, [`${author}.${peer}`])
      await vi.advanceTimersByTimeAsync(1_000)
    }
  announcers.failed('many', named('f', 1_995))
  expect(['one', 'other'].map(announcers.trusts)).toEqual([false, false])
  announcers.came(['e.one', 'e.other'])
  expect(['one', 'other'].map(announcers.trusts)).toEqual([false, true])
})

test('what nobody waited for, and what came in time, counts against no peer; many of one moment count once', async () => {
  const { order, gone, come, pass } = createOrder()
  for (let number = 1; number < 20; number += 2) {
    order.expect([`a.${number}`, `b.${number}`], 'peer')
    come(`b.${number + 1}`)
    order.settled([`b.${number}`])
    order.missed([`a.${number}`], 'peer')
    await pass(1_000)
  }
  const many = Array.from({ length: 10 }, (_, number) => `c${number}`)
  order.expect(
    many.map((author) => `${author}.1`),
    'peer',
  )
  come(...many.map((author) => `${author}.2`))
  for (const author of many) order.missed([`${author}.1`], 'peer')
  await pass(0)
  expect(gone).toHaveLength(20)
  order.expect(['d.1'], 'peer')
  come('d.2')
  await pass(0)
  expect(gone).toHaveLength(20)
})

test('requestTimeoutMs: a peer that lists what it does not give delays each message of an author for no longer, and once', async () => {
  const { order, gone, come, pass } = createOrder()
  const stall = (peer: string, ...ids: string[]) => order.fetching(ids, peer).request(ids)
  stall('liar', 'a.1')
  come('a.2')
  // Another goes on where the first ends.
  await pass(requestTimeoutMs - 10_000)
  stall('accomplice', 'a.1', 'a.3')
  come('a.4')
  await pass(9_990)
  expect(gone).toEqual([])
  await pass(20)
  expect(gone).toEqual(['a.2', 'a.4'])
  // Neither these peers nor this author have long waits for some time.
  stall('third', 'a.5')
  stall('liar', 'b.1')
  come('a.6', 'b.2')
  await pass(orderWaitMs - 10)
  expect(gone.slice(2)).toEqual([])
  await pass(20)
  expect(gone.slice(2)).toEqual(['a.6', 'b.2'])
  stall('third', 'c.1')
  come('c.2')
  await pass(requestTimeoutMs - 10)
  expect(gone.slice(4)).toEqual([])
  await pass(600_000)
  stall('third', 'a.7')
  come('a.8')
  await pass(requestTimeoutMs - 10)
  expect(gone.slice(4)).toEqual(['c.2'])
  await pass(20)
  expect(gone.slice(4)).toEqual(['c.2', 'a.8'])
})

test('a fetch that fails after a short wait counts never, after a long one once, unless all comes after all', async () => {
  const { order, gone, come, pass } = createOrder()
  /** A message waits for one that is being fetched in vain. Returns whether it waits to the end. */
  async function fail(id: string, later: string, waitedMs: number): Promise<boolean> {
    using page = order.fetching([id], 'peer')
    page.request([id])
    come(later)
    await pass(waitedMs)
    return !gone.includes(later)
  }
  for (let number = 1; number < 20; number += 2) expect(await fail(`a.${number}`, `a.${number + 1}`, orderWaitMs - 100)).toBe(true)
  expect(await fail('b.1', 'b.2', 2 * orderWaitMs)).toBe(true)
  expect(await fail('b.3', 'b.4', orderWaitMs + 10)).toBe(false)
  expect(await fail('c.1', 'c.2', orderWaitMs + 10)).toBe(false)
  order.settled(['b.1'])
  expect(await fail('b.5', 'b.6', orderWaitMs + 10)).toBe(true)
})

test('a peer whose fetches fail five times while others wait for longer than orderWaitMs delays nobody', async () => {
  const { order, gone, come, pass } = createOrder()
  for (const number of [1, 3, 5, 7, 9]) {
    using page = order.fetching([`a.${number}`], 'peer')
    page.request([`a.${number}`])
    come(`a.${number + 1}`)
    await pass(orderWaitMs + 10)
  }
  order.expect(['b.1'], 'peer')
  come('b.2')
  await pass(0)
  expect(gone).toEqual(['a.2', 'a.4', 'a.6', 'a.8', 'a.10', 'b.2'])
})
