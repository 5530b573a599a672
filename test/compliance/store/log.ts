import { describe, expect, test } from 'vitest'
import type { NewMessage } from '../../../src/model/message.ts'
import { sequenceBytes } from '../../../src/model/signed-message.ts'
import { topicFilter } from '../../../src/model/topic.ts'
import type { Store } from '../../../src/store/store.ts'
import { newMessage, someAuthor } from '../../fixtures/messages.ts'
import { otherAuthor, scan } from './shared.ts'

const plain = (message: NewMessage) => ({
  ...message,
  data: [...message.data],
  sequence: [...message.sequence],
  signature: [...message.signature],
})

/** The contract for what is appended. */
export function describeLog(open: () => Promise<Store>, reopen: () => Promise<Store>): void {
  describe('log', () => {
    test('finds messages by their ids, and says which ids are unknown', async () => {
      const store = await open()
      const [one, two, pruned, never] = [newMessage('a'), newMessage('a'), newMessage('b'), newMessage('a')]
      await store.log.append([one, two, pruned])
      await store.log.prune({
        defaults: { maxAgeMs: 0, maxMessages: 0, maxBytes: 0 },
        now: 1,
        topic: 'b',
        limit: 10,
        through: Number.MAX_SAFE_INTEGER,
      })
      const ids = [never, two, pruned, one].map(({ id }) => id)
      expect((await store.log.find(ids, 1_000)).map(({ id }) => id)).toEqual([one.id, two.id])
      expect((await store.log.find(ids, 1)).map(({ id }) => id)).toEqual([one.id])
      expect((await store.log.find(ids, one.data.length + 1)).map(({ id }) => id)).toEqual([one.id, two.id])
      expect(await store.log.unknown(ids)).toEqual([never.id])
      expect(await store.log.unknown([])).toEqual([])
    })

    test('never stores what was refused, until that is forgotten', async () => {
      const store = await open()
      const [wanted, refused] = [newMessage('a'), newMessage('a')]
      await store.log.append([wanted])
      await store.log.refuse([refused.id, wanted.id], 1_000)
      await store.log.refuse([refused.id], 9_000)
      expect(await store.log.unknown([refused.id])).toEqual([])
      expect((await store.log.append([refused, wanted])).entries).toMatchObject([{ known: true, message: undefined }, { known: true }])
      expect(await store.log.get(wanted.id)).toBeDefined()
      await store.log.forget({ now: 1, idsBefore: 1_001, keysBefore: 0, limit: 10 })
      expect((await store.log.append([refused])).entries).toMatchObject([{ known: false }])
    })

    test('has time that never goes back, whatever the clock did, and ages by when a message was stored', async () => {
      const store = await open()
      const at = (receivedAt: number, storedAt: number) => newMessage('a', { receivedAt, storedAt })
      const [ahead, behind, next] = [at(9_000, 1_000), at(2_000, 1_001), at(2_001, 1_002)]
      const first = await store.log.append([ahead, behind])
      const second = await store.log.append([next, ahead])
      const answered = [...first.entries, ...second.entries].map(({ message }) => [message?.receivedAt, message?.storedAt])
      expect(answered).toEqual([
        [9_000, 1_000],
        [9_000, 1_001],
        [9_000, 1_002],
        [9_000, 1_000],
      ])
      const { messages } = await store.log.read({ after: 0, order: 'asc', limit: 10 })
      expect(messages.map(({ receivedAt, storedAt }) => [receivedAt, storedAt])).toEqual(answered.slice(0, 3))
      expect(await scan(store, { storedSince: 1_001 })).toHaveLength(2)
      const { entries } = await store.log.outline({ after: 0, topics: ['a'], since: 1_002 })
      expect(entries).toEqual([{ id: next.id, topic: 'a', bytes: next.data.length, firstSeenAt: 1_002 }])
      const query = { defaults: { maxAgeMs: 100, maxMessages: 0, maxBytes: 0 }, now: 1_101 }
      expect(await store.log.prunable(query)).toEqual(['a'])
      expect(await store.log.prune({ ...query, topic: 'a', limit: 10 })).toMatchObject({ messages: 1 })
      expect(await store.log.prunable(query)).toEqual([])
      await store.stop()
      const again = await reopen()
      expect((await again.log.append([at(3_000, 1_003)])).entries[0]?.message).toMatchObject({ receivedAt: 9_000, storedAt: 1_003 })
    })

    test('begins empty', async () => {
      const store = await open()
      expect(await store.log.position()).toEqual({
        epoch: await store.log.epoch(),
        tip: 0,
        earliest: 0,
        prunedThrough: 0,
        pruneCount: 0,
        messages: 0,
      })
      expect(await store.log.read({ after: 0, order: 'asc', limit: 10 })).toEqual({ messages: [], scanned: 0 })
      expect(await store.log.epoch()).toMatch(/^[A-Za-z0-9]{1,32}$/)
    })

    test('keeps every field of a message, also over a restart', async () => {
      const store = await open()
      const messages = [
        newMessage('orders'),
        newMessage('ünïcode ☃', { data: Uint8Array.from([0, 255, 128]), storedAt: 1_795_444_444_444 }),
        newMessage('orders', { data: new Uint8Array(), dataAbsent: true }),
        newMessage('orders', { data: new Uint8Array() }),
        newMessage('orders', { firstSeenAt: 1_600_000_000_000 }),
        newMessage('orders', { sequence: sequenceBytes(2n ** 64n - 1n), publicKey: Uint8Array.from([1, 2, 3]) }),
      ]
      await store.log.append(messages)
      await store.stop()
      const again = await reopen()
      const { messages: stored } = await again.log.read({ after: 0, order: 'asc', limit: 10 })
      expect(stored.map(plain)).toEqual(
        messages.map((message, index) => ({ ...plain(message), seq: stored[index]?.seq, ...keyed(message) })),
      )
      for (const message of stored) expect(await again.log.get(message.id).then((found) => found && plain(found))).toEqual(plain(message))
      expect(await again.log.get('nothing.1')).toBeUndefined()
    })

    function keyed({ publicKey }: NewMessage) {
      return publicKey === undefined ? {} : { publicKey: expect.objectContaining({ length: publicKey.length }) }
    }

    test('numbers messages in the order given, above everything before', async () => {
      const store = await open()
      const first = await store.log.append([newMessage('a'), newMessage('b')])
      const second = await store.log.append([newMessage('a'), newMessage('a')])
      const seqs = [...first.entries, ...second.entries].map(({ message }) => message?.seq ?? 0)
      expect(seqs).toEqual(seqs.toSorted((a, b) => a - b))
      expect(new Set(seqs).size).toBe(4)
      expect(first.previousTip).toBe(0)
      expect(second.previousTip).toBe(seqs[1])
      expect((await store.log.position()).tip).toBe(seqs[3])
    })

    test('tries to write as often as it is asked, and what it writes does not grow', async () => {
      const store = await open()
      await store.log.append([newMessage('a')])
      const before = await store.log.position()
      for (let trial = 0; trial < 3; trial++) await store.log.tryWrite()
      expect(await store.log.position()).toEqual(before)
      expect((await store.records.list('')).length).toBeLessThanOrEqual(1)
      store.check()
    })

    test('answers an append of nothing', async () => {
      const store = await open()
      const { entries } = await store.log.append([newMessage('a')])
      expect(await store.log.append([])).toEqual({
        epoch: await store.log.epoch(),
        previousTip: entries[0]?.message?.seq,
        entries: [],
        takenKeys: [],
      })
    })

    test('stores a message once, and names the one that is there', async () => {
      const store = await open()
      const message = newMessage('orders')
      const first = await store.log.append([message])
      const again = await store.log.append([newMessage('orders'), { ...message, data: Buffer.from('another') }, newMessage('orders')])
      expect(again.entries.map(({ known }) => known)).toEqual([false, true, false])
      expect(again.entries[1]?.message?.seq).toBe(first.entries[0]?.message?.seq)
      expect(Buffer.from(again.entries[1]?.message?.data ?? []).toString()).toBe(Buffer.from(message.data).toString())
      expect(await scan(store)).toHaveLength(3)
    })

    test('stores a message once that comes twice in one batch', async () => {
      const store = await open()
      const message = newMessage('orders')
      const { entries } = await store.log.append([message, message])
      expect(entries.map(({ known }) => known)).toEqual([false, true])
      expect(entries[0]?.message?.seq).toBe(entries[1]?.message?.seq)
      expect(await store.topics.get('orders')).toMatchObject({ messages: 1 })
    })

    test('ends at its newest message, whatever known ones came after it', async () => {
      const store = await open()
      const [first, second] = [newMessage('orders'), newMessage('orders')]
      const { entries } = await store.log.append([first, second, first, second])
      const newest = entries[1]?.message?.seq
      expect((await store.log.position()).tip).toBe(newest)
      expect((await store.log.append([second, first])).previousTip).toBe(newest)
      expect((await store.log.append([newMessage('orders')])).previousTip).toBe(newest)
    })

    test('keeps its epoch and its numbers over a restart', async () => {
      const store = await open()
      const epoch = await store.log.epoch()
      const { entries } = await store.log.append([newMessage('a')])
      await store.stop()
      const again = await reopen()
      expect(await again.log.epoch()).toBe(epoch)
      const next = await again.log.append([newMessage('a')])
      expect(next.previousTip).toBe(entries[0]?.message?.seq)
      expect(next.entries[0]?.message?.seq).toBeGreaterThan(entries[0]?.message?.seq ?? Number.NaN)
    })

    test('takes batches of any size, appended at once', async () => {
      const store = await open()
      const batches = [1, 2, 500, 1_200, 3].map((size) => Array.from({ length: size }, () => newMessage('orders')))
      const results = await Promise.all(batches.map((batch) => store.log.append(batch)))
      for (const [index, { entries }] of results.entries())
        expect(entries.map(({ message }) => message?.id)).toEqual(batches[index]?.map(({ id }) => id))
      expect(await scan(store)).toHaveLength(1_706)
      expect(await store.topics.get('orders')).toMatchObject({ messages: 1_706 })
    })

    test('tells its ends by topic', async () => {
      const store = await open()
      const { entries } = await store.log.append([newMessage('a'), newMessage('b.x'), newMessage('b.c'), newMessage('a')])
      const [a, b, bc, last] = entries.map(({ message }) => message?.seq ?? 0)
      const tip = last ?? 0
      expect(await store.log.position(topicFilter(['a']))).toMatchObject({ tip, earliest: (a ?? 0) - 1, prunedThrough: 0, pruneCount: 0 })
      expect(await store.log.position(topicFilter(['b.*']))).toMatchObject({
        tip,
        earliest: (b ?? 0) - 1,
        prunedThrough: 0,
        pruneCount: 0,
      })
      expect(await store.log.position(topicFilter(['b.c', 'c']))).toMatchObject({
        tip,
        earliest: (bc ?? 0) - 1,
        prunedThrough: 0,
        pruneCount: 0,
      })
      expect(await store.log.position(topicFilter(['c']))).toMatchObject({ tip, earliest: tip, prunedThrough: 0, pruneCount: 0 })
    })

    test('remembers how far an author was sent, never back, over an orderly restart', async () => {
      const store = await open()
      const { entries } = await store.log.append([newMessage('a'), newMessage('a'), newMessage('a')])
      const [first, second] = entries.map(({ message }) => message?.seq ?? 0)
      expect(await store.log.sentThrough(someAuthor)).toBe(0)
      await store.log.markSent(someAuthor, second ?? 0)
      await store.log.markSent(someAuthor, first ?? 0)
      await store.log.markSent(otherAuthor, first ?? 0)
      expect(await store.log.sentThrough(someAuthor)).toBe(second)
      await store.stop()
      const again = await reopen()
      expect(await again.log.sentThrough(someAuthor)).toBe(second)
      expect(await again.log.sentThrough(otherAuthor)).toBe(first)
    })
  })
}
