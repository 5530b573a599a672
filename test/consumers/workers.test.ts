import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { HandedOut } from '../../src/consumers/workers.ts'
import { ConsumerNotFound } from '../../src/errors.ts'
import { holdDeadlines } from '../fixtures/held-deadlines.ts'
import { createMemoryStore } from '../fixtures/memory-store.ts'
import { connection, consumersForTest, first, orders } from './consumers-for-test.ts'

describe('consumers', () => {
  test('push to workers what they have room for, and give back what they had when they leave', async () => {
    const { consumers, append, create, settle, pull } = await consumersForTest()
    const consumer = await create('c')
    const worker = (room: number) => ({
      ...{ room, once: false, had: [] as string[] },
      take(messages: Array<{ message: { id: string } }>) {
        this.had.push(...messages.map(({ message }) => message.id))
      },
      ended: () => undefined,
    })
    const [one, two] = [worker(2), worker(3)]
    const leaving = consumers.work(consumer, one)
    consumers.work(consumer, two)
    const ids = await append(...orders(9))
    await expect.poll(() => one.had.length + two.had.length).toBe(5)
    expect([one.had.length, two.had.length]).toEqual([2, 3])
    await settle('c', two.had.slice(0, 1))
    await expect.poll(() => two.had.length).toBe(4)
    // After another round nobody has more than there was room for.
    expect(one.had.length).toBe(2)
    leaving.end()
    await settle('c', two.had.slice(1))
    await expect.poll(() => two.had.length).toBe(7)
    expect(new Set([...two.had, ...(await pull('c')).map(({ id }) => id)])).toEqual(new Set(ids))
  })

  test('hand out the next messages when the verdicts that are under way are there, in one transaction', async () => {
    const { consumers, store, append, create, settle } = await consumersForTest()
    const consumer = await create('c')
    const had: string[][] = []
    const take = (messages: HandedOut[]) => had.push(messages.map(({ message }) => message.id))
    const work = consumers.work(consumer, { room: 2, once: false, take, ended: () => undefined })
    const ids = await append(...orders(4))
    await expect.poll(() => had.flat()).toEqual(ids.slice(0, 2))
    const [isBegun, mayGoOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const { settle: settleNow } = store.consumers
    vi.spyOn(store.consumers, 'settle').mockImplementationOnce(async (query) => {
      isBegun.resolve()
      await mayGoOn.promise
      return await settleNow(query)
    })
    const taken = vi.spyOn(store.consumers, 'take')
    const settling = settle('c', ids.slice(0, 2))
    await isBegun.promise
    // There is room now, which the verdicts under way will not have made alone.
    consumers.work(consumer, { room: 1, once: false, take, ended: () => undefined })
    work.wake()
    await new Promise(setImmediate)
    expect(taken).not.toHaveBeenCalled()
    mayGoOn.resolve()
    await settling
    await expect.poll(() => had.flat().length).toBe(4)
    expect(taken.mock.calls[0]?.[0].limit).toBe(3)
  })

  test('push a message again to a worker that does not acknowledge, when its time is over', async () => {
    const lookAgain = holdDeadlines(1_000)
    const { consumers, store, append, create, pass } = await consumersForTest()
    const looked = vi.spyOn(store.consumers, 'held')
    const consumer = await create('c', { ackWaitMs: 1_000 })
    const had: Array<{ id: string; attempt: number }> = []
    const take = (messages: HandedOut[]) => had.push(...messages.map(({ message, attempt }) => ({ id: message.id, attempt })))
    consumers.work(consumer, { room: 1, once: false, take, ended: () => undefined })
    const [id = ''] = await append(...orders(2))
    await expect.poll(() => had).toEqual([{ id, attempt: 1 }])
    // The worker has no room, and nothing else happens, until its time is over.
    const looks = () => {
      lookAgain()
      return looked.mock.calls.length
    }
    await expect.poll(looks).toBeGreaterThan(1)
    expect(had).toEqual([{ id, attempt: 1 }])
    pass(1_000)
    await expect
      .poll(() => {
        lookAgain()
        return had
      })
      .toEqual([
        { id, attempt: 1 },
        { id, attempt: 2 },
      ])
  })

  test('leave a message with its worker when another one that had it before leaves', async () => {
    const { consumers, append, create, pull, pass } = await consumersForTest()
    const consumer = await create('c', { ackWaitMs: 1_000 })
    const [one, two] = [connection(1), connection(1)]
    const leaving = consumers.work(consumer, one)
    const [id = ''] = await append(...orders(1))
    await expect.poll(() => one.had).toEqual([{ id, attempt: 1 }])
    one.room = 0
    consumers.work(consumer, two)
    pass(1_000)
    await expect.poll(() => two.had).toEqual([{ id, attempt: 2 }])
    leaving.end()
    expect(await pull('c')).toEqual([])
  })

  test('give room again to a worker whose messages were acknowledged at another gateway', async () => {
    const store = createMemoryStore()
    const here = await consumersForTest({ store })
    const there = await consumersForTest({ store, hub: here.hub, peerId: 'h' })
    const consumer = await here.create('c')
    const had: string[] = []
    const take = (messages: HandedOut[]) => had.push(...messages.map(({ message }) => message.id))
    here.consumers.work(consumer, { room: 1, once: false, take, ended: () => undefined })
    const [one = '', two = ''] = await here.append(...orders(2))
    await expect.poll(() => had).toEqual([one])
    await there.settle('c', [one])
    await expect.poll(() => had).toEqual([one, two])
  })

  test('give room again to a worker that acknowledges, without a look at the database for what others have acknowledged', async () => {
    const store = createMemoryStore()
    vi.spyOn(store.consumers, 'held').mockImplementation(async ({ claims }) => claims.map(({ id }) => id))
    const { consumers, append, create, settle } = await consumersForTest({ store })
    const consumer = await create('c')
    const had: string[] = []
    const take = (messages: HandedOut[]) => had.push(...messages.map(({ message }) => message.id))
    consumers.work(consumer, { room: 1, once: false, take, ended: () => undefined })
    const [one = '', two = ''] = await append(...orders(2))
    await expect.poll(() => had).toEqual([one])
    await settle('c', [one])
    await expect.poll(() => had).toEqual([one, two])
  })

  test('ask the database for what was acknowledged elsewhere once in a while, not each time when workers are full', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    const store = createMemoryStore()
    const held = vi.spyOn(store.consumers, 'held')
    const { consumers, append, create, settle, pass } = await consumersForTest({ store })
    const consumer = await create('c')
    const taken = Array.from({ length: 20 }, () => Promise.withResolvers<string>())
    let had = 0
    const take = ([first]: HandedOut[]) => taken[had++]?.resolve(first?.message.id ?? '')
    consumers.work(consumer, { room: 1, once: false, take, ended: () => undefined })
    await append(...orders(20))
    for (const [index, each] of taken.entries()) {
      const id = await each.promise
      if (index === 15) pass(1_000)
      if (index < 19) await settle('c', [id])
    }
    expect(held).toHaveBeenCalledTimes(1)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(held).toHaveBeenCalledTimes(2)
  })

  test('serve connections and requests in turns', async () => {
    const { consumers, append, create, pull } = await consumersForTest()
    const consumer = await create('c', { maxUnacked: 1_000 })
    const worker = connection(1)
    const waiting = Array.from({ length: 3 }, () => pull('c', 1, 20_000))
    consumers.work(consumer, worker)
    const ids = await append(...orders(4))
    const pulled = (await Promise.all(waiting)).flat()
    await expect.poll(() => worker.had).toHaveLength(1)
    expect([...pulled, ...worker.had].map(({ id }) => id).toSorted()).toEqual(ids.toSorted())
  })

  test('give back at a start what connections of an earlier run had; what a request has taken stays with its client for its time', async () => {
    const store = createMemoryStore()
    const before = await consumersForTest({ store })
    const consumer = await before.create('c', { ackWaitMs: 1_000 })
    const [taken = '', ...others] = await before.append(...orders(3))
    expect(await before.pull('c', 1)).toEqual(first([taken]))
    const worker = connection(2)
    before.consumers.work(consumer, worker)
    await expect.poll(() => worker.had).toEqual(first(others))
    const { pull, pass, used } = await consumersForTest({ store })
    expect(used).toEqual(['orders'])
    expect(await pull('c')).toEqual(others.map((id) => ({ id, attempt: 2 })))
    pass(1_000)
    expect(await pull('c')).toContainEqual({ id: taken, attempt: 2 })
  })

  test('end their workers when they are removed; one that is made again is another', async () => {
    const { consumers, append, create, pull } = await consumersForTest()
    const consumer = await create('c')
    const { promise: ended, resolve } = Promise.withResolvers<unknown>()
    consumers.work(consumer, { room: 1, once: false, take: () => undefined, ended: resolve })
    await consumers.remove('c')
    expect(await ended).toBeInstanceOf(ConsumerNotFound)
    await append(...orders(1))
    await create('c', {}, { after: 'earliest' })
    expect(await pull('c')).toHaveLength(1)
  })

  test('that another gateway has made again are others: workers of the old one end, and get nothing of the new one', async () => {
    const store = createMemoryStore()
    const here = await consumersForTest({ store })
    const there = await consumersForTest({ store, hub: here.hub, peerId: 'h' })
    const consumer = await here.create('c')
    const { promise: ended, resolve } = Promise.withResolvers<unknown>()
    const had: unknown[] = []
    here.consumers.work(consumer, { room: 1, once: false, take: (messages) => had.push(...messages), ended: resolve })
    await there.consumers.remove('c')
    there.pass(1)
    await there.create('c', { topics: ['bills'] })
    await here.append(...orders(1))
    expect(await ended).toBeInstanceOf(ConsumerNotFound)
    expect(had).toEqual([])
  })

  test('tell a worker that comes to one that was removed meanwhile', async () => {
    const { consumers, create } = await consumersForTest()
    const consumer = await create('c')
    consumers.work(consumer, { room: 1, once: false, take: () => undefined, ended: () => undefined })
    await consumers.remove('c')
    const again = await create('c')
    const { promise: ended, resolve } = Promise.withResolvers<unknown>()
    // A request that had looked the old one up works for the new one.
    const taken: string[] = []
    consumers.work(again, { room: 1, once: false, take: ([first]) => taken.push(first?.message.id ?? ''), ended: resolve })
    consumers.work(consumer, { room: 0, once: false, take: () => undefined, ended: resolve })
    await consumers.remove('c')
    expect(await ended).toBeInstanceOf(ConsumerNotFound)
  })
})
