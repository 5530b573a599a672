import { describe, expect, test } from 'vitest'
import { ConsumerExists, ConsumerLimit, ConsumerNotFound, ParametersConflict } from '../../src/errors.ts'
import { isMissing, storeKinds, storesForTests } from '../fixtures/every-store.ts'
import { newMessage } from '../fixtures/messages.ts'
import { atNoCost, consumersForTest, first, orders } from './consumers-for-test.ts'

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

  test('hold the changes of clients that change them at once', async () => {
    const { consumers, create } = await consumersForTest()
    await create('c')
    await Promise.all([consumers.configure('c', { maxUnacked: 7 }), consumers.configure('c', { backoffMs: 5 })])
    expect((await consumers.get('c')).settings).toMatchObject({ maxUnacked: 7, backoffMs: 5 })
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

  test('are not more than there may be, though many are created at once', async () => {
    const { create } = await consumersForTest({ limits: { maxConsumers: 4 } })
    const made = await Promise.allSettled(['a', 'b', 'c', 'd', 'e', 'f'].map((name) => create(name)))
    expect(made.filter(({ status }) => status === 'fulfilled')).toHaveLength(3)
  })

  test('count what is pending', async () => {
    const { consumers, append, create, pull } = await consumersForTest()
    await create('c')
    await append(...orders(3), newMessage('bills'))
    expect(await consumers.state(await consumers.get('c'), atNoCost)).toEqual({
      ...{ unacked: 0, waiting: 0, parked: 0, pending: 3, isPendingExact: true, workers: 0 },
      traffic: { delivered: 0, settled: 0 },
    })
    await pull('c', 1)
    expect(await consumers.state(await consumers.get('c'), atNoCost)).toMatchObject({ unacked: 1, waiting: 0, pending: 2 })
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
    expect(await consumers.state(await consumers.get('c'), atNoCost)).toMatchObject({ traffic: { delivered: 4, settled: 2 } })
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
    expect(await one.consumers.state(await one.consumers.get('c'), atNoCost)).toMatchObject({ unacked: 0, waiting: 0, pending: 0 })
    await store.stop()
  })
})
