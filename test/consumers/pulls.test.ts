import { describe, expect, test } from 'vitest'
import { Overloaded } from '../../src/errors.ts'
import { newMessage } from '../fixtures/messages.ts'
import { atNoCost, consumersForTest, first, orders } from './consumers-for-test.ts'

describe('consumers', () => {
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

  test('tell of messages that were pruned or deleted before a worker had them, new ones and waiting ones', async () => {
    const { consumers, store, hub, append, create, pull, settle } = await consumersForTest()
    await create('c', { backoffMs: 0 })
    const [one = '', two = '', three = ''] = await append(...orders(3))
    expect(await pull('c', 2)).toEqual(first([one, two]))
    const { tip } = await store.log.position()
    await store.log.delete(two, 1)
    await settle('c', [one, two], 'retry')
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
    const before = (await consumers.state(await consumers.get('c'), atNoCost)).waiting
    await pull('c')
    const after = await consumers.state(await consumers.get('c'), atNoCost)
    expect(after.waiting + after.unacked).toBeGreaterThanOrEqual(before - 1)
  })
})
