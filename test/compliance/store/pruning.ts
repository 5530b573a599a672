import { describe, expect, test } from 'vitest'
import type { NewMessage, StoredMessage } from '../../../src/model/message.ts'
import { topicFilter } from '../../../src/model/topic.ts'
import type { Store } from '../../../src/store/store.ts'
import { newMessage } from '../../fixtures/messages.ts'
import { firstTime } from './shared.ts'

/** The contract for what retention and purges remove. */
export function describePruning(open: () => Promise<Store>): void {
  describe('pruning', () => {
    const unlimited = { maxAgeMs: 0, maxMessages: 0, maxBytes: 0 }
    const now = firstTime + 1_000

    async function append(store: Store, topic: string, count: number, fields: Partial<NewMessage> = {}): Promise<StoredMessage[]> {
      const { entries } = await store.log.append(Array.from({ length: count }, () => newMessage(topic, fields)))
      return entries.flatMap(({ message }) => message ?? [])
    }

    async function seqsOf(store: Store, topic: string): Promise<number[]> {
      const { messages } = await store.log.read({ after: 0, order: 'asc', limit: 1_000, topics: topicFilter([topic]) })
      return messages.map(({ seq }) => seq)
    }

    test('removes the oldest beyond a number, a size or an age, a step at a time, and no others', async () => {
      for (const [defaults, kept] of [
        [{ ...unlimited, maxMessages: 4 }, 4],
        [{ ...unlimited, maxBytes: 35 }, 3],
        [{ ...unlimited, maxAgeMs: 995 }, 5],
        [{ ...unlimited, maxMessages: 6, maxAgeMs: 995 }, 5],
        [unlimited, 10],
      ] as const) {
        const store = await open()
        const other = await append(store, 'b', 1, { receivedAt: now })
        const stored = []
        for (let at = 0; at < 10; at++)
          stored.push(...(await append(store, 'a', 1, { data: Buffer.alloc(10), receivedAt: firstTime + at })))
        const query = { defaults, now }
        expect(await store.log.prunable(query)).toEqual(kept === 10 ? [] : ['a'])
        const steps = []
        for (let step = await prune(); step !== undefined; step = await prune()) steps.push(step)
        function prune() {
          return store.log.prune({ ...query, topic: 'a', limit: 2 })
        }
        expect(steps.reduce((sum, { messages }) => sum + messages, 0)).toBe(10 - kept)
        expect(steps.every(({ messages, bytes }) => messages <= 2 && bytes === messages * 10)).toBe(true)
        expect(await seqsOf(store, 'a')).toEqual(stored.slice(10 - kept).map(({ seq }) => seq))
        expect(await seqsOf(store, 'b')).toEqual(other.map(({ seq }) => seq))
        expect(await store.topics.get('a')).toMatchObject({ messages: kept, bytes: kept * 10 })
        expect(await store.log.prunable(query)).toEqual([])
      }
    })

    test('goes by the limits of the topic itself where it has some, over a restart', async () => {
      const store = await open()
      await append(store, 'a', 5)
      await append(store, 'b', 5)
      await store.topics.retain('a', { maxMessages: 2 })
      await store.topics.retain('a', { maxBytes: 0 })
      await store.topics.retain('b', { maxMessages: 0 })
      await store.stop()
      await store.start()
      expect((await store.topics.get('a'))?.retention).toEqual({ maxAgeMs: null, maxMessages: 2, maxBytes: 0 })
      const query = { defaults: { ...unlimited, maxMessages: 3 }, now }
      expect(await store.log.prunable(query)).toEqual(['a'])
      await store.log.prune({ ...query, topic: 'a', limit: 100 })
      expect(await store.log.prune({ ...query, topic: 'b', limit: 100 })).toBeUndefined()
      expect([(await seqsOf(store, 'a')).length, (await seqsOf(store, 'b')).length]).toEqual([2, 5])
      await store.topics.retain('a', { maxMessages: null })
      await store.topics.retain('a', {})
      expect((await store.topics.get('a'))?.retention).toEqual({ maxAgeMs: null, maxMessages: null, maxBytes: 0 })
    })

    test('takes everything of a topic where that is asked, and numbers go on', async () => {
      const store = await open()
      const [, last] = await append(store, 'a', 2)
      const pruned = await store.log.prune({ defaults: unlimited, now, topic: 'a', limit: 10, through: Number.MAX_SAFE_INTEGER })
      expect(pruned).toMatchObject({ through: last?.seq, messages: 2 })
      expect(await store.log.prune({ defaults: unlimited, now, topic: 'a', limit: 10, through: Number.MAX_SAFE_INTEGER })).toBeUndefined()
      expect(await store.log.get(last?.id ?? '')).toBeUndefined()
      await store.stop()
      await store.start()
      const [next] = await append(store, 'a', 1)
      expect(next?.seq).toBeGreaterThan(last?.seq ?? Number.NaN)
    })

    test('takes what a topic has up to a seq, step by step, and nothing of other topics', async () => {
      const store = await open()
      const [first] = await append(store, 'b', 1)
      const [, second, third, last] = await append(store, 'a', 4)
      const prune = () => store.log.prune({ defaults: unlimited, now, topic: 'a', limit: 2, through: third?.seq ?? 0 })
      expect(await prune()).toMatchObject({ through: second?.seq, messages: 2 })
      expect(await prune()).toMatchObject({ through: third?.seq, messages: 1 })
      expect(await prune()).toBeUndefined()
      expect([await seqsOf(store, 'a'), await seqsOf(store, 'b')]).toEqual([[last?.seq], [first?.seq]])
      expect(await store.topics.get('a')).toMatchObject({ messages: 1, latest: last?.seq })
    })

    test('tells what was pruned, by topic and since which step', async () => {
      const store = await open()
      const [, a] = await append(store, 'a', 3)
      const [b] = await append(store, 'b', 3)
      const prune = (topic: string, limit: number) =>
        store.log.prune({ defaults: unlimited, now, topic, limit, through: Number.MAX_SAFE_INTEGER })
      const first = await prune('a', 2)
      const between = await store.log.position()
      const second = await prune('b', 1)
      expect([first?.through, second?.through]).toEqual([a?.seq, b?.seq])
      expect(between.pruneCount).toBe(first?.pruneCount)
      const { tip } = between
      expect(await store.log.position()).toMatchObject({ tip, prunedThrough: b?.seq, pruneCount: second?.pruneCount })
      expect((await store.log.position(topicFilter(['a']))).prunedThrough).toBe(a?.seq)
      expect((await store.log.position(topicFilter(['a']), between.pruneCount)).prunedThrough).toBe(0)
      expect((await store.log.position(topicFilter(['>']), between.pruneCount)).prunedThrough).toBe(b?.seq)

      const prunes = async (after: number, prunedSince: number, patterns: string[]) =>
        (await store.log.read({ after, order: 'asc', limit: 10, topics: topicFilter(patterns), prunedSince })).prunes
      const both = [
        { topic: 'a', through: a?.seq },
        { topic: 'b', through: b?.seq },
      ]
      expect(await prunes(0, 0, ['>'])).toEqual({ count: second?.pruneCount, topics: expect.arrayContaining(both) })
      expect((await prunes(0, 0, ['b']))?.topics).toEqual([both[1]])
      expect((await prunes(0, between.pruneCount, ['>']))?.topics).toEqual([both[1]])
      expect((await prunes(a?.seq ?? 0, 0, ['>']))?.topics).toEqual([both[1]])
      expect((await prunes(b?.seq ?? 0, 0, ['>']))?.topics).toEqual([])
      expect((await store.log.read({ after: 0, order: 'asc', limit: 10 })).prunes).toBeUndefined()
    })

    test('knows pruned messages when they come again, until their ids are forgotten', async () => {
      const store = await open()
      const message = newMessage('a')
      await store.log.append([message])
      await store.log.prune({ defaults: unlimited, now, topic: 'a', limit: 10, through: Number.MAX_SAFE_INTEGER })
      const again = await store.log.append([message, newMessage('a')])
      expect(again.entries.map((entry) => [entry.known, entry.message === undefined])).toEqual([
        [true, true],
        [false, false],
      ])
      const newest = again.entries[1]?.message?.seq
      expect((await store.log.position()).tip).toBe(newest)
      expect(await store.log.forget({ now: 1, idsBefore: now, keysBefore: 0, limit: 10 })).toBe(0)
      expect(await store.log.forget({ now: 1, idsBefore: now + 1, keysBefore: 0, limit: 10 })).toBe(1)
      expect((await store.log.append([message])).entries[0]?.known).toBe(false)
    })
  })
}
