import { describe, expect, test } from 'vitest'
import { directTopic } from '../../../src/model/topic.ts'
import type { LogQuery } from '../../../src/store/log-store.ts'
import type { Store } from '../../../src/store/store.ts'
import { newMessage } from '../../fixtures/messages.ts'

const all: LogQuery = { after: 0, order: 'asc', limit: 100 }
const only = (topic: string) => ({ exact: [topic], patterns: [] })
const unlimited = { maxAgeMs: 0, maxMessages: 0, maxBytes: 0 }
const seqsOf = (list: Array<{ seq: number }> = []) => list.map(({ seq }) => seq)

/** The contract for messages that are deleted one by one. */
export function describeDeletion(open: () => Promise<Store>, reopen: () => Promise<Store>): void {
  describe('deletion', () => {
    /** A store with five messages, of which the fourth is direct. */
    async function five() {
      const store = await open()
      const messages = ['a', 'b', 'a', directTopic, 'a'].map((topic) => newMessage(topic))
      await store.log.append(messages)
      const [first, second, third, fourth, fifth] = messages
      if (!first || !second || !third || !fourth || !fifth) throw new Error('there are five')
      return { store, log: store.log, messages: { first, second, third, fourth, fifth } }
    }

    test('takes one message out of every read, whose place is told to those that pass it, over a restart', async () => {
      const { store, log, messages } = await five()
      expect(await log.delete(messages.third.id, 7_000)).toEqual({ seq: 3, bytes: messages.third.data.length })
      await store.stop()
      for (const again of [await reopen(), await reopen()].map((each) => each.log)) {
        const told = [{ seq: 3, id: messages.third.id, topic: 'a', reason: 'deleted' }]
        const step = await again.read({ ...all, topics: only('a') })
        expect([seqsOf(step.messages), step.removed, step.scanned]).toEqual([[1, 5], told, 5])
        expect((await again.read({ ...all, order: 'desc', limit: 2 })).removed).toBeUndefined()
        expect((await again.read({ ...all, order: 'desc' })).removed).toEqual(told)
        expect((await again.read({ ...all, topics: only('b') })).removed).toBeUndefined()
        expect((await again.read({ ...all, after: 3 })).removed).toBeUndefined()
        expect(await again.get(messages.third.id)).toBeUndefined()
        expect(await again.find([messages.third.id, messages.fifth.id], 1_000)).toMatchObject([{ seq: 5 }])
        expect((await again.outline({ after: 0, topics: ['a'], since: 0 })).entries.map(({ id }) => id)).toEqual([
          messages.first.id,
          messages.fifth.id,
        ])
        expect((await again.count({ after: 0, through: 5, topics: only('a') })).messages).toBe(2)
      }
    })

    test('leaves what topics hold right, and counts once, whoever deletes at the same time', async () => {
      const { store, messages } = await five()
      const stores = [store, await reopen()]
      const twins = await Promise.all([...stores, ...stores].map(({ log }) => log.delete(messages.first.id, 7_000)))
      expect(twins.filter((deleted) => deleted !== undefined)).toEqual([{ seq: 1, bytes: messages.first.data.length }])
      expect(await store.log.delete('unknown', 7_000)).toBeUndefined()
      const bytes = messages.third.data.length + messages.fifth.data.length
      expect(await store.topics.get('a')).toMatchObject({ messages: 2, bytes, earliest: 2, latest: 5 })
      await store.log.delete(messages.fifth.id, 7_000)
      expect(await store.topics.get('a')).toMatchObject({ messages: 1, bytes: messages.third.data.length, earliest: 2, latest: 3 })
      expect((await store.log.position(only('a'))).messages).toBe(1)
      // The places of the deleted messages belong to the log, and their seqs are not used again.
      expect(await store.log.position(only('a'))).toMatchObject({ earliest: 0, tip: 5 })
      expect((await store.log.append([newMessage('a')])).entries).toMatchObject([{ message: { seq: 6 } }])
      await store.log.delete(messages.fourth.id, 7_000)
      expect((await store.log.read({ ...all, topics: only(directTopic) })).removed).toMatchObject([{ seq: 4, topic: directTopic }])
    })

    test('keeps the id known, so that it is neither stored nor asked for again', async () => {
      const { store, log, messages } = await five()
      await log.delete(messages.third.id, 7_000)
      await store.stop()
      const again = (await reopen()).log
      expect(await again.unknown([messages.third.id, 'new'])).toEqual(['new'])
      expect((await again.append([messages.third])).entries).toEqual([{ message: undefined, known: true }])
      expect(await again.missing({ after: 0, limit: 10 })).toEqual([])
    })

    test('is told of until its part of the topic is pruned, or its id is forgotten', async () => {
      const { log, messages } = await five()
      await log.delete(messages.first.id, 7_000)
      await log.delete(messages.second.id, 8_000)
      await log.delete(messages.fifth.id, 9_000)
      const told = async () => seqsOf((await log.read(all)).removed)
      await log.forget({ now: 9_000, idsBefore: 8_000, keysBefore: 0, limit: 10 })
      expect([await told(), await log.unknown([messages.first.id, messages.second.id])]).toEqual([[2, 5], [messages.first.id]])
      await log.prune({ topic: 'a', limit: 10, through: 4, defaults: unlimited, now: 9_000 })
      expect(await told()).toEqual([2, 5])
      expect((await log.append([newMessage('a')])).entries).toMatchObject([{ message: { seq: 6 } }])
      await log.prune({ topic: 'a', limit: 10, through: 6, defaults: unlimited, now: 9_000 })
      expect(await told()).toEqual([2])
    })

    test('of its last message leaves a topic empty from then on', async () => {
      const { log, messages } = await five()
      await log.delete(messages.second.id, 7_000)
      expect(await log.forgetTopics({ emptyBefore: 7_000, maxEmpty: 100, limit: 10 })).toBe(0)
      expect(await log.forgetTopics({ emptyBefore: 7_001, maxEmpty: 100, limit: 10 })).toBe(1)
      expect((await log.read({ ...all, topics: only('b') })).removed).toMatchObject([{ seq: 2, reason: 'deleted' }])
    })
  })
}
