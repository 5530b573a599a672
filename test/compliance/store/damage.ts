import { describe, expect, test } from 'vitest'
import { directTopic } from '../../../src/model/topic.ts'
import type { Damaged, LogQuery } from '../../../src/store/log-store.ts'
import type { Store } from '../../../src/store/store.ts'
import { newMessage } from '../../fixtures/messages.ts'
import type { Spoilt } from './spoilt.ts'

const all: LogQuery = { after: 0, order: 'asc', limit: 100 }
const only = (topic: string) => ({ exact: [topic], patterns: [] })
const seqsOf = (list: Array<{ seq: number }> = []) => list.map(({ seq }) => seq)

/** The contract for messages that were damaged on disk. */
export function describeDamage(open: () => Promise<Store>, spoil: (what: Spoilt) => Promise<void>): void {
  describe('damage', () => {
    /** A store with four messages. */
    async function four() {
      const store = await open()
      const messages = [newMessage('a'), newMessage('b'), newMessage('a'), newMessage('a')]
      await store.log.append(messages)
      return { store, log: store.log, ids: messages.map(({ id }) => id), messages }
    }

    const changes: Array<Omit<Extract<Spoilt, { message: string }>, 'message'>> = [
      { column: 'data' },
      { column: 'signature' },
      { column: 'author', text: 'somebody else' },
    ]
    test.each(changes)('of $column is answered to nobody, whichever way it is read', async (change) => {
      for (const read of [
        async ({ log }: Store) => (await log.read(all)).messages,
        async ({ log }: Store) => (await log.read({ ...all, order: 'desc', topics: only('a') })).messages,
        async ({ log }: Store, id: string) => await log.find([id], 1_000),
        async ({ log }: Store, id: string) => [await log.get(id)],
      ]) {
        const { store, ids } = await four()
        await spoil({ message: ids[2] ?? '', ...change })
        expect((await read(store, ids[2] ?? '')).map((message) => message?.id)).not.toContain(ids[2])
        expect(await store.log.get(ids[2] ?? '')).toBeUndefined()
        expect(seqsOf((await store.log.read(all)).removed)).toEqual([3])
      }
    })

    /** Larger than a JavaScript number can be. */
    const huge = '9007199254740993000'
    const numbers = [
      { column: 'receivedAt', text: '1' },
      { column: 'receivedAt', text: huge },
      { column: 'storedAt', text: '1' },
      { column: 'storedAt', text: huge },
      { column: 'firstSeenAt', text: '1' },
      { column: 'firstSeenAt', text: huge },
      { column: 'sum', text: '1' },
    ] as const

    /** One message for each change, and one more at the end. */
    async function spoiltNumbers() {
      const store = await open()
      const messages = [...numbers, undefined].map(() => newMessage('a', { receivedAt: 1_000, storedAt: 1_000 }))
      await store.log.append(messages)
      for (const [index, change] of numbers.entries()) await spoil({ message: messages[index]?.id ?? '', ...change })
      return { store, log: store.log, ids: messages.map(({ id }) => id), spoilt: numbers.map((_, index) => index + 1) }
    }

    test('of a time is answered to nobody, and told also to who reads by time', async () => {
      for (const query of [all, { ...all, since: 900, until: 1_100, storedSince: 900 }, { ...all, order: 'desc' as const, until: 0 }]) {
        const { log, spoilt } = await spoiltNumbers()
        const { messages, removed } = await log.read(query)
        expect(seqsOf(messages)).toEqual(query.until === 0 ? [] : [spoilt.length + 1])
        expect(seqsOf(removed).toSorted((one, other) => one - other)).toEqual(spoilt)
      }
    })

    test('of a time is offered to no peer', async () => {
      const { log, ids } = await spoiltNumbers()
      expect((await log.outline({ after: 0, topics: ['a'], since: 0 })).entries.map(({ id }) => id)).toEqual(ids.slice(-1))
      expect((await log.missing({ after: 0, limit: 10 })).map(({ id }) => id)).toEqual(ids.slice(0, -1))
    })

    test('of a time has nothing removed before or after its time, and does not move the time of what comes', async () => {
      const { log } = await open()
      const messages = [1_000, 2_000, 3_000, 4_000].map((at) => newMessage('a', { receivedAt: at, storedAt: at }))
      const ids = messages.map(({ id }) => id)
      await log.append(messages)
      const defaults = { maxAgeMs: 1_000, maxMessages: 0, maxBytes: 0 }
      await spoil({ message: ids[0] ?? '', column: 'storedAt', text: huge })
      expect(await log.prunable({ defaults, now: 3_500 })).toEqual(['a'])
      expect(await log.prune({ topic: 'a', limit: 10, defaults, now: 3_500 })).toMatchObject({ through: 2, messages: 1 })
      await spoil({ message: ids[2] ?? '', column: 'storedAt', text: '1' })
      expect(await log.prune({ topic: 'a', limit: 10, defaults, now: 3_500 })).toBeUndefined()
      expect(await log.prunable({ defaults, now: 3_500 })).toEqual([])
      // Removed messages stay away; damaged ones are searched for.
      expect(await log.unknown(ids)).toEqual([ids[0], ids[2]])
      await spoil({ message: ids[3] ?? '', column: 'receivedAt', text: huge })
      const next = await log.append([newMessage('a', { receivedAt: 4_500, storedAt: 4_500 })])
      expect(next.entries).toMatchObject([{ known: false, message: { seq: 5, receivedAt: 4_500 } }])
      expect(seqsOf((await log.read(all)).messages)).toEqual([5])
    })

    test('of a time is purged as everything is', async () => {
      const { log, ids } = await spoiltNumbers()
      const defaults = { maxAgeMs: 0, maxMessages: 0, maxBytes: 0 }
      await log.prune({ topic: 'a', limit: 100, through: Number.MAX_SAFE_INTEGER, defaults, now: 1 })
      expect(await log.unknown(ids)).toEqual([])
      expect((await log.read(all)).removed).toBeUndefined()
    })

    test('is told of by every step that passes it, in its order, and to who reads its topic only', async () => {
      const { log, ids } = await four()
      for (const message of [ids[0], ids[3]]) await spoil({ message: message ?? '' })
      for (let round = 0; round < 2; round++) {
        const { messages, removed, scanned } = await log.read(all)
        expect([seqsOf(messages), seqsOf(removed), scanned]).toEqual([[2, 3], [1, 4], 4])
        expect(removed?.map(({ topic }) => topic)).toEqual(['a', 'a'])
      }
      expect(seqsOf((await log.read({ ...all, order: 'desc' })).removed)).toEqual([4, 1])
      expect(seqsOf((await log.read({ ...all, after: 1 })).removed)).toEqual([4])
      expect(seqsOf((await log.read({ ...all, limit: 1 })).removed)).toEqual([1])
      expect((await log.read({ ...all, topics: only('b') })).removed).toBeUndefined()
      expect((await log.position(only('a'))).earliest).toBe(0)
    })

    test('is told of by each of several reads that find it at once', async () => {
      const { log, ids } = await four()
      const readTogether = () => Promise.all(Array.from({ length: 5 }, () => log.read(all)))
      // Each has its connection then: the reads that follow begin at once, and all look before one takes anything out.
      await readTogether()
      await spoil({ message: ids[2] ?? '' })
      for (const { messages, removed } of await readTogether()) {
        expect([seqsOf(messages), seqsOf(removed)]).toEqual([[1, 2, 4], [3]])
      }
    })

    test('ends no step before what is behind it', async () => {
      const { log, ids } = await four()
      for (const message of ids.slice(0, 2)) await spoil({ message })
      expect(await log.read({ ...all, limit: 2 })).toMatchObject({ messages: [], scanned: 2 })
      await spoil({ message: ids[2] ?? '' })
      const first = await log.read({ ...all, after: 2, maxBytes: 1 })
      expect(seqsOf(first.messages).concat(seqsOf((await log.read({ ...all, after: first.scanned })).messages))).toEqual([4])
    })

    test('leaves what topics hold right', async () => {
      const { store, log, ids, messages } = await four()
      await spoil({ message: ids[0] ?? '' })
      await log.read(all)
      const bytes = (messages[2]?.data.length ?? 0) + (messages[3]?.data.length ?? 0)
      expect(await store.topics.get('a')).toMatchObject({ messages: 2, bytes, earliest: 2, latest: 4 })
      await spoil({ message: ids[3] ?? '' })
      await log.get(ids[3] ?? '')
      expect(await store.topics.get('a')).toMatchObject({ messages: 1, earliest: 2, latest: 3 })
      await spoil({ message: ids[2] ?? '' })
      await log.get(ids[2] ?? '')
      expect(await store.topics.get('a')).toBeUndefined()
      expect((await log.append([newMessage('a')])).entries[0]?.message?.seq).toBe(5)
      expect(await store.topics.get('a')).toMatchObject({ messages: 1, earliest: 4, latest: 5 })
    })

    test('is missing until it is appended again, under its id and another number', async () => {
      const { log, ids, messages } = await four()
      const direct = newMessage(directTopic, { to: 'somebody' })
      await log.append([direct])
      for (const message of [...ids.slice(1, 3), direct.id]) await spoil({ message })
      expect(await log.missing({ after: 0, limit: 10 })).toEqual([])
      await log.read(all)
      expect(await log.unknown(ids)).toEqual(ids.slice(1, 3))
      const missing = await log.missing({ after: 0, limit: 10 })
      expect(missing).toEqual([
        { seq: 2, id: ids[1], topic: 'b', firstSeenAt: messages[1]?.receivedAt },
        { seq: 3, id: ids[2], topic: 'a', firstSeenAt: messages[2]?.receivedAt },
      ])
      expect(await log.missing({ after: 2, limit: 10 })).toEqual(missing.slice(1))
      expect(await log.missing({ after: 0, limit: 1 })).toEqual(missing.slice(0, 1))
      const again = messages.slice(1, 2).map((message) => ({ ...message, firstSeenAt: 5 }))
      expect((await log.append(again)).entries).toMatchObject([{ known: false, message: { seq: 6, id: ids[1] } }])
      expect(await log.missing({ after: 0, limit: 10 })).toEqual(missing.slice(1))
      expect(await log.get(ids[1] ?? '')).toMatchObject({ seq: 6, firstSeenAt: 5 })
      const step = await log.read(all)
      expect([seqsOf(step.messages), seqsOf(step.removed)]).toEqual([
        [1, 4, 6],
        [2, 3, 5],
      ])
    })

    test('is told to who watches, once, with what was found', async () => {
      const { store, log, ids } = await four()
      const told: Damaged[] = []
      const unwatch = store.watchDamage((damaged) => void told.push(...damaged))
      for (const message of ids.slice(0, 2)) await spoil({ message })
      await log.read(all)
      await log.read(all)
      expect(told).toMatchObject([
        { seq: 1, id: ids[0], topic: 'a' },
        { seq: 2, id: ids[1], topic: 'b' },
      ])
      unwatch()
      await spoil({ message: ids[3] ?? '' })
      await log.read(all)
      expect(told).toHaveLength(2)
      expect(store.isDamaged()).toBe(false)
    })

    test('goes with what is pruned of its topic, and with old ids', async () => {
      const { log, ids } = await four()
      for (const message of ids.slice(1, 3)) await spoil({ message })
      await log.read(all)
      const defaults = { maxAgeMs: 0, maxMessages: 0, maxBytes: 0 }
      await log.prune({ topic: 'a', limit: 10, through: Number.MAX_SAFE_INTEGER, defaults, now: Date.now() })
      expect(seqsOf((await log.read(all)).removed)).toEqual([2])
      // Its age counts from the first sweep after it was found.
      await log.forget({ now: 1_000, idsBefore: 999, keysBefore: 0, limit: 100 })
      await log.forget({ now: 1_001, idsBefore: 1_000, keysBefore: 0, limit: 100 })
      expect(seqsOf((await log.read(all)).removed)).toEqual([2])
      await log.forget({ now: 1_002, idsBefore: 1_001, keysBefore: 0, limit: 100 })
      expect(await log.read(all)).toEqual({ messages: [], scanned: 4 })
    })

    test('is found by a check, which takes out what it is asked to', async () => {
      const { log, ids } = await four()
      for (const message of ids.slice(2)) await spoil({ message })
      const first = await log.check({ after: 0, limit: 3, repair: false })
      expect(first).toMatchObject({ damaged: [{ seq: 3, id: ids[2], topic: 'a' }], looked: 3, scanned: 3, caughtUp: false })
      expect(await log.check({ after: 3, limit: 3, repair: false })).toMatchObject({ damaged: [{ seq: 4 }], looked: 1, caughtUp: true })
      expect(await log.missing({ after: 0, limit: 10 })).toEqual([])
      expect((await log.check({ after: 0, limit: 10, repair: true })).damaged).toHaveLength(2)
      expect(await log.check({ after: 0, limit: 10, repair: true })).toMatchObject({ damaged: [], looked: 2, caughtUp: true })
      expect(await log.missing({ after: 0, limit: 10 })).toHaveLength(2)
    })

    test('of what a delivery is to send leaves nothing to be sent', async () => {
      const { deliveries } = await open()
      const times = { expiresAt: 1_000_000, createdAt: 1 }
      for (const id of ['1', '2'])
        await deliveries.add({ id, messageId: id, client: 'c', to: 'x', envelope: Buffer.from('abc'), ...times }, 0)
      await spoil({ delivery: '1' })
      const next = await deliveries.next({ recipient: 'x', now: 1, limit: 10, maxBytes: 100 })
      expect(next.map(({ id, envelope }) => [id, envelope === undefined ? undefined : Buffer.from(envelope).toString()])).toEqual([
        ['1', undefined],
        ['2', 'abc'],
      ])
      expect(await deliveries.check({ after: '', limit: 1 })).toEqual({ damaged: ['1'], looked: 1, next: '1' })
      expect(await deliveries.check({ after: '1', limit: 2 })).toEqual({ damaged: [], looked: 1, next: null })
    })
  })
}
