import { describe, expect, test } from 'vitest'
import type { Store } from '../../../src/store/store.ts'
import { newMessage } from '../../fixtures/messages.ts'

/** The client that joins a topic. */
const someone = { client: 'tok_1', explicit: true }

/** The contract for topics and for who has joined them. */
export function describeTopics(open: () => Promise<Store>, reopen: () => Promise<Store>): void {
  describe('topics', () => {
    const byDefault = { maxAgeMs: null, maxMessages: null, maxBytes: null }

    test('joins and leaves, and says what changed', async () => {
      const store = await open()
      expect(await store.topics.get('orders')).toBeUndefined()
      expect(await store.topics.join('orders', 1_000, someone)).toBe(true)
      expect(await store.topics.join('orders', 1_000, someone)).toBe(false)
      expect(await store.topics.get('orders')).toEqual({
        topic: 'orders',
        joined: true,
        joinedAt: 1_000,
        messages: 0,
        bytes: 0,
        earliest: 0,
        latest: 0,
        retention: byDefault,
      })
      await store.stop()
      const again = await reopen()
      expect(await again.topics.joined()).toEqual(['orders'])
      expect(await again.topics.leave('orders')).toBe(true)
      expect(await again.topics.leave('orders')).toBe(false)
      expect(await again.topics.leave('never joined')).toBe(false)
      expect(await again.topics.joined()).toEqual([])
      expect(await again.topics.get('orders')).toBeUndefined()
    })

    describe('are joined by clients', () => {
      const by = (client: string, explicit = false) => ({ client, explicit })

      test('of which it is known since when, until when and how', async () => {
        const store = await open()
        expect(await store.topics.join('orders', 1_000, by('b'))).toBe(true)
        expect(await store.topics.join('orders', 2_000, by('a', true))).toBe(false)
        expect(await store.topics.join('orders', 3_000, by('b', true))).toBe(false)
        expect(await store.topics.join('news', 1_500, by('a'))).toBe(true)
        await store.topics.used('a', ['news', 'orders', 'never joined'], 4_000)
        await store.stop()
        const { topics } = await reopen()
        expect(await topics.joins()).toEqual([
          { topic: 'orders', client: 'b', explicit: true, joinedAt: 1_000, usedAt: 3_000 },
          { topic: 'news', client: 'a', explicit: false, joinedAt: 1_500, usedAt: 4_000 },
          { topic: 'orders', client: 'a', explicit: true, joinedAt: 2_000, usedAt: 4_000 },
        ])
        await topics.join('news', 5_000, by('a'))
        await topics.join('orders', 5_000, by('b'))
        expect((await topics.joins()).map(({ explicit, joinedAt }) => [explicit, joinedAt])).toEqual([
          [true, 1_000],
          [false, 1_500],
          [true, 2_000],
        ])
      })

      test('and stay joined until the last has given up what it has not joined explicitly', async () => {
        const { topics } = await open()
        await topics.join('both', 1_000, by('a'))
        await topics.join('both', 2_000, by('b'))
        await topics.join('kept', 1_000, by('a', true))
        await topics.join('other', 1_000, by('a'))
        expect(await topics.giveUp({ client: 'nobody' })).toBe(false)
        expect(await topics.giveUp({ client: 'a', topic: 'both' })).toBe(false)
        expect(await topics.joined()).toEqual(['both', 'kept', 'other'])
        expect(await topics.giveUp({ usedBefore: 2_000 })).toBe(true)
        expect(await topics.joined()).toEqual(['both', 'kept'])
        expect(await topics.giveUp({ client: 'b' })).toBe(true)
        expect([await topics.joined(), (await topics.get('both'))?.joinedAt]).toEqual([['kept'], undefined])
        expect(await topics.leave('kept')).toBe(true)
        expect([await topics.joined(), await topics.joins()]).toEqual([[], []])
      })

      test('at most a hundred of each topic, but for those who join it explicitly', async () => {
        const { topics } = await open()
        for (let number = 0; number < 101; number++) await topics.join('orders', 1_000, by(`client ${number}`))
        expect(await topics.joins()).toHaveLength(100)
        await topics.join('orders', 2_000, by('explicit', true))
        await topics.join('orders', 3_000, by('client 0'))
        const joins = await topics.joins()
        expect(joins.map(({ client }) => client)).toContain('explicit')
        expect(joins.find(({ client }) => client === 'client 0')?.usedAt).toBe(3_000)
      })
    })

    test('counts messages and bytes, and keeps them when the topic is left', async () => {
      const store = await open()
      await store.topics.join('a', 1_000, someone)
      const { entries } = await store.log.append([
        newMessage('b', { data: new Uint8Array(7) }),
        newMessage('a', { data: new Uint8Array(10) }),
        newMessage('a', { data: new Uint8Array(5) }),
      ])
      const [b, first, last] = entries.map(({ message }) => message?.seq ?? 0)
      const expected = { topic: 'a', messages: 2, bytes: 15, earliest: (first ?? 0) - 1, latest: last, retention: byDefault }
      expect(await store.topics.get('a')).toEqual({ ...expected, joined: true, joinedAt: 1_000 })
      expect(await store.topics.get('b')).toEqual({
        topic: 'b',
        joined: false,
        joinedAt: null,
        messages: 1,
        bytes: 7,
        earliest: (b ?? 0) - 1,
        latest: b,
        retention: byDefault,
      })
      await store.topics.leave('a')
      expect(await store.topics.get('a')).toEqual({ ...expected, joined: false, joinedAt: null })
      await store.topics.join('a', 2_000, someone)
      expect(await store.topics.get('a')).toEqual({ ...expected, joined: true, joinedAt: 2_000 })
    })

    test('lists by name, page by page', async () => {
      const store = await open()
      for (const topic of ['b', 'é', 'a', '😀', 'ab']) await store.topics.join(topic, 1_000, someone)
      await store.log.append([newMessage('c')])
      expect((await store.topics.list({ limit: 100 })).map(({ topic }) => topic)).toEqual(['a', 'ab', 'b', 'c', 'é', '😀'])
      expect((await store.topics.list({ after: 'ab', limit: 2 })).map(({ topic }) => topic)).toEqual(['b', 'c'])
      expect(await store.topics.joined()).toEqual(['a', 'ab', 'b', 'é', '😀'])
    })
  })
}
