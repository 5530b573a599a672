import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test, vi } from 'vitest'
import type { HandedOut } from '../../src/consumers/workers.ts'
import { ConsumerExists, ConsumerLimit, ConsumerNotFound, Overloaded, ParametersConflict } from '../../src/errors.ts'
import { isMissing, storeKinds, storesForTests } from '../fixtures/every-store.ts'
import { createMemoryStore } from '../fixtures/memory-store.ts'
import { newMessage } from '../fixtures/messages.ts'
import { consumersForTest, orders } from './consumers-for-test.ts'

const first = (ids: string[]) => ids.map((id) => ({ id, attempt: 1 }))

/** A worker that takes so many messages and acknowledges none. */
function connection(room: number) {
  const had: Array<{ id: string; attempt: number }> = []
  const take = (messages: HandedOut[]) => had.push(...messages.map(({ message, attempt }) => ({ id: message.id, attempt })))
  return { had, room, once: false, take, ended: () => undefined }
}

describe('consumers', () => {
  test('are created once; another setting is refused, and their topics stay joined until they are removed', async () => {
    const { consumers, create, used } = await consumersForTest()
    const made = await create('c', { topics: ['orders', 'bills.>'] })
    expect(await create('c', { topics: ['orders', 'bills.>'] }, { client: 'tok_2' })).toEqual(made)
    await expect(create('c', { maxUnacked: 5 })).rejects.toThrow(ConsumerExists)
    await expect(create('d', { topics: [] })).rejects.toThrow(ParametersConflict)
    expect(used).toEqual(['orders'])
    expect((await consumers.configure('c', { maxUnacked: 5 })).settings.maxUnacked).toBe(5)
    expect([await consumers.remove('c'), await consumers.remove('c')]).toEqual([true, false])
    expect(used).toEqual([])
    await expect(consumers.get('c')).rejects.toThrow(ConsumerNotFound)
    await expect(consumers.configure('c', {})).rejects.toThrow(ConsumerNotFound)
  })

  test('are as many as there may be, and of one client its share', async () => {
    const { create } = await consumersForTest({ limits: { maxConsumers: 4 } })
    for (const name of ['a', 'b', 'c']) await create(name)
    await expect(create('d')).rejects.toThrow(ConsumerLimit)
    await create('d', {}, { client: 'tok_2' })
    await expect(create('e', {}, { client: 'tok_3' })).rejects.toThrow(ConsumerLimit)
  })

  test('begin where they are told to', async () => {
    const { append, create, pull } = await consumersForTest()
    const before = await append(...orders(2))
    await create('all', {}, { after: 'earliest' })
    await create('new')
    const after = await append(...orders(1), newMessage('bills'))
    expect(await pull('all')).toEqual(first([...before, after[0] ?? '']))
    expect(await pull('new')).toEqual(first(after.slice(0, 1)))
  })

  test('wait for messages while a request may, and answer nothing in time', async () => {
    const { append, create, pull } = await consumersForTest()
    await create('c')
    expect(await pull('c', 10, 1)).toEqual([])
    const waiting = pull('c', 10, 20_000)
    const [id = ''] = await append(...orders(1))
    expect(await waiting).toEqual(first([id]))
  })

  test('take nothing for a request whose client has gone, so that another gets it', async () => {
    const { consumers, append, create, pull } = await consumersForTest()
    const consumer = await create('c')
    const gone = new AbortController()
    const answer = consumers.pull(consumer, { limit: 1, waitMs: 20_000, client: 'tok_1', signal: gone.signal })
    gone.abort()
    expect(await answer).toEqual([])
    const ids = await append(...orders(1))
    expect(await consumers.pull(consumer, { limit: 1, waitMs: 0, client: 'tok_1', signal: gone.signal })).toEqual([])
    expect(await pull('c')).toEqual(first(ids))
  })

  test('have at most so many requests waiting, and of one client its share', async () => {
    const { consumers, create } = await consumersForTest({ limits: { maxPulls: 4 } })
    const consumer = await create('c')
    const left = new AbortController()
    const ask = (client: string) => consumers.pull(consumer, { limit: 1, waitMs: 20_000, client, signal: left.signal })
    const asked = [ask('tok_1'), ask('tok_1'), ask('tok_1')]
    await expect(ask('tok_1')).rejects.toThrow(Overloaded)
    asked.push(ask('tok_2'))
    await expect(ask('tok_3')).rejects.toThrow(Overloaded)
    left.abort()
    expect(await Promise.all(asked)).toEqual([[], [], [], []])
  })

  test('retry after growing pauses, or the pause that was asked for; progress keeps a message with its worker', async () => {
    const { append, create, pull, settle, pass } = await consumersForTest()
    const [id = ''] = await append(...orders(1))
    await create('c', { backoffMs: 100, ackWaitMs: 1_000 }, { after: 'earliest' })
    expect(await pull('c')).toEqual([{ id, attempt: 1 }])
    expect(await settle('c', [id], 'retry')).toEqual([id])
    pass(99)
    expect(await pull('c')).toEqual([])
    pass(1)
    expect(await pull('c')).toEqual([{ id, attempt: 2 }])
    await settle('c', [id], 'retry')
    pass(199)
    expect(await pull('c')).toEqual([])
    pass(1)
    expect(await pull('c')).toEqual([{ id, attempt: 3 }])
    await settle('c', [id], 'retry', 5)
    pass(5)
    expect(await pull('c')).toEqual([{ id, attempt: 4 }])
    pass(900)
    expect(await settle('c', [id], 'progress')).toEqual([id])
    pass(900)
    expect(await pull('c')).toEqual([])
    pass(100)
    expect(await pull('c')).toEqual([{ id, attempt: 5 }])
    expect(await settle('c', [id, 'x'])).toEqual([id])
    expect(await settle('c', [id])).toEqual([])
    pass(10_000)
    expect(await pull('c')).toEqual([])
  })

  test('retry after an hour at most, however often', async () => {
    const { append, create, pull, settle, pass } = await consumersForTest()
    const [id = ''] = await append(...orders(1))
    await create('c', { backoffMs: 3_000_000 }, { after: 'earliest' })
    for (const pauseMs of [3_000_000, 3_600_000]) {
      await pull('c')
      await settle('c', [id], 'retry')
      pass(pauseMs)
    }
    expect(await pull('c')).toEqual([{ id, attempt: 3 }])
  })

  test('hold the changes of clients that change them at once', async () => {
    const { consumers, create } = await consumersForTest()
    await create('c')
    await Promise.all([consumers.configure('c', { maxUnacked: 7 }), consumers.configure('c', { backoffMs: 5 })])
    expect((await consumers.get('c')).settings).toMatchObject({ maxUnacked: 7, backoffMs: 5 })
  })

  test('list parked messages in pages of as many bytes as one read has', async () => {
    const { consumers, append, create, pull, settle } = await consumersForTest({ limits: { maxReadBytes: 5_000 } })
    const consumer = await create('c', { maxDeliveries: 1 })
    const ids = await append(...Array.from({ length: 5 }, () => newMessage('orders', { data: new Uint8Array(2_000) })))
    for (let left = ids.length; left > 0; ) left -= (await pull('c')).length
    await settle('c', ids, 'retry')
    const pages: string[][] = []
    for (let after: number | undefined = 0; after !== undefined; ) {
      const { items, next } = await consumers.parked(consumer, { after, limit: 10 })
      expect(items.every(({ message }) => message !== undefined)).toBe(true)
      pages.push(items.map(({ id }) => id))
      after = next
    }
    expect(pages.flat()).toEqual(ids)
    expect(pages.length).toBeGreaterThan(1)
  })

  test('are not held up by a worker whose time is over: it can say that the work is done, but not retry or extend it', async () => {
    const { consumers, append, create, pull, settle, claimOf, pass } = await consumersForTest()
    const [id = ''] = await append(...orders(1))
    const consumer = await create('c', { ackWaitMs: 1_000 }, { after: 'earliest' })
    await pull('c')
    const late = { claims: [claimOf(id)] }
    pass(1_000)
    expect(await pull('c')).toEqual([{ id, attempt: 2 }])
    for (const verdict of ['retry', 'progress'] as const)
      expect(await consumers.settle(consumer, { ...late, verdict, delayMs: 0 })).toEqual(new Set())
    expect(await pull('c')).toEqual([])
    pass(999)
    expect(await settle('c', [id], 'progress')).toEqual([id])
    pass(999)
    expect(await pull('c')).toEqual([])
    expect(await consumers.settle(consumer, { ...late, verdict: 'ack' })).toEqual(new Set(late.claims))
    pass(10_000)
    expect(await pull('c')).toEqual([])
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

  test('are told what a verdict is about', async () => {
    const { consumers, create } = await consumersForTest()
    const consumer = await create('c')
    const claims = ['x~y']
    for (const said of [{}, { ids: ['x'], claims }]) {
      await expect(consumers.settle(consumer, { ...said, verdict: 'ack' })).rejects.toThrow(ParametersConflict)
    }
    for (const verdict of ['retry', 'progress'] as const) {
      await expect(consumers.settle(consumer, { ids: ['x'], verdict })).rejects.toThrow(ParametersConflict)
      expect(await consumers.settle(consumer, { claims: ['x', 'x~y', '~'], verdict })).toEqual(new Set())
    }
  })

  test('park what nobody can do, list it with its messages, and replay it', async () => {
    const { consumers, append, create, pull, settle } = await consumersForTest()
    const ids = await append(...orders(3))
    const [poison = '', next = ''] = ids
    const consumer = await create('c', { maxDeliveries: 1, order: 'strict' }, { after: 'earliest' })
    expect(await pull('c')).toEqual(first([poison]))
    await settle('c', [poison], 'retry')
    expect(await pull('c')).toEqual(first([next]))
    const parked = await consumers.parked(consumer, { after: 0, limit: 10 })
    expect(parked).toMatchObject({ items: [{ id: poison, attempt: 1, message: { id: poison } }], next: undefined })
    expect(await consumers.state(consumer)).toMatchObject({ unacked: 1, parked: 1 })
    expect(await consumers.replay(consumer)).toBe(1)
    expect(await pull('c')).toEqual([])
    await settle('c', [next])
    expect(await pull('c')).toEqual(first([poison]))
  })

  test('hand out one message of an author at a time in order of authors, also with far more of one than fit', async () => {
    const { append, create, pull, settle } = await consumersForTest()
    const busy = Array.from({ length: 30 }, () => newMessage('orders', { from: 'busy' }))
    const ids = await append(...busy, newMessage('orders', { from: 'other' }))
    await create('c', { order: 'author', maxUnacked: 5 }, { after: 'earliest' })
    const got: string[] = []
    for (;;) {
      const batch = await pull('c')
      if (batch.length === 0) break
      expect(batch.length).toBeLessThanOrEqual(2)
      got.push(...batch.map(({ id }) => id))
      await settle(
        'c',
        batch.map(({ id }) => id),
      )
    }
    expect(got.toSorted()).toEqual(ids.toSorted())
    expect(got.filter((id) => id !== ids[30])).toEqual(ids.slice(0, 30))
  })

  test('tell of messages that were pruned or deleted before a worker had them, new ones and waiting ones', async () => {
    const { consumers, store, hub, append, create, pull, settle } = await consumersForTest()
    await create('c', { backoffMs: 0 })
    const [one = '', two = '', three = ''] = await append(...orders(3))
    expect(await pull('c', 1)).toEqual(first([one]))
    const { tip } = await store.log.position()
    await store.log.delete(two, 1)
    await settle('c', [one], 'retry')
    await store.log.delete(one, 1)
    hub.forget()
    expect(await pull('c')).toEqual(first([three]))
    expect(await consumers.get('c')).toMatchObject({ gaps: 1, lastGap: { from: tip - 3, to: tip - 1 } })
    await append(...orders(5))
    const retention = { maxAgeMs: 0, maxMessages: 1, maxBytes: 0 }
    const pruned = await store.log.prune({ defaults: retention, now: 1, topic: 'orders', limit: 100 })
    if (pruned !== undefined) hub.prune('orders', pruned)
    hub.forget()
    expect(await pull('c')).toHaveLength(1)
    expect(await consumers.get('c')).toMatchObject({ gaps: 2, lastGap: { to: tip + 4 } })
  })

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
    await delay(20)
    expect([one.had.length, two.had.length]).toEqual([2, 3])
    await settle('c', two.had.slice(0, 1))
    await expect.poll(() => two.had.length).toBe(4)
    leaving.end()
    await settle('c', two.had.slice(1))
    await expect.poll(() => two.had.length).toBe(7)
    expect(new Set([...two.had, ...(await pull('c')).map(({ id }) => id)])).toEqual(new Set(ids))
  })

  test('push a message again to a worker that does not acknowledge, when its time is over', async () => {
    const { consumers, append, create, pass } = await consumersForTest()
    const consumer = await create('c', { ackWaitMs: 1_000 })
    const had: Array<{ id: string; attempt: number }> = []
    const take = (messages: HandedOut[]) => had.push(...messages.map(({ message, attempt }) => ({ id: message.id, attempt })))
    consumers.work(consumer, { room: 1, once: false, take, ended: () => undefined })
    const [id = ''] = await append(...orders(2))
    await expect.poll(() => had).toEqual([{ id, attempt: 1 }])
    // The worker has no room, and nothing else happens, until its time is over.
    await delay(1_200)
    pass(1_000)
    await expect
      .poll(() => had)
      .toEqual([
        { id, attempt: 1 },
        { id, attempt: 2 },
      ])
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

  test('hand out no more bytes at once than a connection buffers, and the rest then', async () => {
    const { append, create, pull, settle } = await consumersForTest({ limits: { maxSocketBufferBytes: 5_000 } })
    await create('c', { backoffMs: 0 })
    const ids = await append(...Array.from({ length: 10 }, () => newMessage('orders', { data: new Uint8Array(2_000) })))
    const batch = await pull('c')
    expect(batch.length).toBeLessThan(5)
    expect(batch).toEqual(first(ids.slice(0, batch.length)))
    await settle(
      'c',
      batch.map(({ id }) => id),
      'retry',
    )
    const got: Array<{ id: string; attempt: number }> = []
    for (let next = await pull('c'); next.length > 0; next = await pull('c')) {
      expect(next.length).toBeLessThan(5)
      got.push(...next)
    }
    expect(got.map(({ id }) => id).toSorted()).toEqual(ids.toSorted())
    expect(got.filter(({ attempt }) => attempt === 2).map(({ id }) => id)).toEqual(batch.map(({ id }) => id))
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

  test('follow the log no longer when they are removed', async () => {
    const { consumers, hub, create, pull } = await consumersForTest()
    let followers = 0
    const { follow } = hub
    hub.follow = (...of) => {
      const unfollow = follow(...of)
      followers++
      return () => {
        followers--
        unfollow()
      }
    }
    for (let index = 0; index < 5; index++) {
      await create('c')
      await pull('c')
      await consumers.remove('c')
    }
    expect(followers).toBe(0)
  })

  test('lose only what is gone when a damaged message is among those that are read again', async () => {
    const { consumers, store, append, create, pull, settle } = await consumersForTest({ limits: { maxSocketBufferBytes: 5_000 } })
    await create('c', { backoffMs: 0 })
    const ids = await append(...Array.from({ length: 6 }, () => newMessage('orders', { data: new Uint8Array(2_000) })))
    for (let batch = await pull('c'); batch.length > 0; batch = await pull('c')) {
      if (batch.some(({ attempt }) => attempt > 1)) break
      await settle(
        'c',
        batch.map(({ id }) => id),
        'retry',
        1,
      )
    }
    const { find } = store.log
    // As a store does that counts the bytes of a row which it then finds damaged.
    store.log.find = async (asked, maxBytes) => (await find(asked, maxBytes)).filter(({ id }) => id !== ids[0])
    const before = (await consumers.state(await consumers.get('c'))).waiting
    await pull('c')
    const after = await consumers.state(await consumers.get('c'))
    expect(after.waiting + after.unacked).toBeGreaterThanOrEqual(before - 1)
  })

  test('are not more than there may be, though many are created at once', async () => {
    const { create } = await consumersForTest({ limits: { maxConsumers: 4 } })
    const made = await Promise.allSettled(['a', 'b', 'c', 'd', 'e', 'f'].map((name) => create(name)))
    expect(made.filter(({ status }) => status === 'fulfilled')).toHaveLength(3)
  })

  test('count what is pending', async () => {
    const { consumers, append, create, pull } = await consumersForTest()
    await create('c')
    await append(...orders(3), newMessage('bills'))
    expect(await consumers.state(await consumers.get('c'))).toEqual({
      ...{ unacked: 0, waiting: 0, parked: 0, pending: 3, isPendingExact: true, workers: 0 },
      traffic: { delivered: 0, settled: 0 },
    })
    await pull('c', 1)
    expect(await consumers.state(await consumers.get('c'))).toMatchObject({ unacked: 1, waiting: 2, pending: 0 })
  })

  test('count what was delivered, each time, and what was settled', async () => {
    const { consumers, append, create, pull, settle } = await consumersForTest()
    const [one = '', two = '', three = ''] = await append(...orders(3))
    await create('c', {}, { after: 'earliest' })
    await pull('c')
    await settle('c', [one], 'retry', 0)
    await pull('c')
    await settle('c', [one, one, 'x'])
    await settle('c', [two], 'drop')
    await settle('c', [three], 'progress')
    expect(await consumers.state(await consumers.get('c'))).toMatchObject({ traffic: { delivered: 4, settled: 2 } })
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
})

describe.each(storeKinds)('with the %s store', (kind) => {
  const openStore = storesForTests()

  test.skipIf(isMissing(kind))('two gateways share the work of a consumer: each message goes to one of them', async () => {
    const store = await openStore(kind)
    const one = await consumersForTest({ store })
    const two = await consumersForTest({ store, hub: one.hub, peerId: 'h' })
    await one.create('c', { maxUnacked: 20 })
    const ids = await one.append(...orders(200))
    const got: string[] = []
    async function workAt({ pull, settle }: typeof one): Promise<void> {
      for (let batch = await pull('c', 7); batch.length > 0; batch = await pull('c', 7)) {
        got.push(...batch.map(({ id }) => id))
        expect(
          await settle(
            'c',
            batch.map(({ id }) => id),
          ),
        ).toHaveLength(batch.length)
      }
    }
    await Promise.all([workAt(one), workAt(one), workAt(two), workAt(two)])
    await workAt(one)
    expect(got.toSorted()).toEqual(ids.toSorted())
    expect(await one.consumers.state(await one.consumers.get('c'))).toMatchObject({ unacked: 0, waiting: 0, pending: 0 })
    await store.stop()
  })
})
