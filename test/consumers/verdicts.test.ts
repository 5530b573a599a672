import { describe, expect, test } from 'vitest'
import { ParametersConflict } from '../../src/errors.ts'
import { newMessage } from '../fixtures/messages.ts'
import { atNoCost, consumersForTest, first, orders } from './consumers-for-test.ts'

describe('consumers', () => {
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
    expect(await consumers.state(consumer, atNoCost)).toMatchObject({ unacked: 1, parked: 1 })
    expect(await consumers.replay(consumer)).toBe(1)
    expect(await pull('c')).toEqual([])
    await settle('c', [next])
    expect(await pull('c')).toEqual(first([poison]))
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
})
