import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { directTopic, matchesTopic, topicFilter } from '../../../src/model/topic.ts'
import type { Store } from '../../../src/store/store.ts'
import { newMessage } from '../../fixtures/messages.ts'

const unlimited = { maxAgeMs: 0, maxMessages: 0, maxBytes: 0 }
const noOne = 1_000_000
const names = ['a', 'a.b', 'b', 'c', directTopic]
const filters = [undefined, ['a'], ['b'], ['a.b', 'b'], ['a.*'], ['*'], ['>'], ['c', 'never'], [directTopic]]

const append = (store: Store, topic: string, count = 1) => store.log.append(Array.from({ length: count }, () => newMessage(topic)))
const prune = (store: Store, topic: string, now: number, limit = 100) =>
  store.log.prune({ defaults: unlimited, now, topic, limit, through: Number.MAX_SAFE_INTEGER })

/** A topic whose only message was pruned at a given time. */
async function empty(store: Store, topic: string, now: number): Promise<void> {
  await append(store, topic)
  await prune(store, topic, now)
}

const someStep = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('append' as const), topic: fc.constantFrom(...names), count: fc.integer({ min: 1, max: 3 }) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('prune' as const), topic: fc.constantFrom(...names), limit: fc.integer({ min: 1, max: 4 }) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('forget' as const), ago: fc.nat(6), max: fc.nat(4), limit: fc.integer({ min: 1, max: 3 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom('join' as const, 'leave' as const, 'restart' as const),
      topic: fc.constantFrom('a', 'a.b', 'b'),
    }),
  },
)

/** The contract for forgotten topics and peers. */
export function describeForgetting(open: () => Promise<Store>, reopen: () => Promise<Store>): void {
  describe('forgetting topics', () => {
    test('takes those that nobody needs, the longest empty first, and leaves what has messages, a join or limits', async () => {
      const store = await open()
      await append(store, 'full')
      for (const [index, topic] of ['first', 'joined', 'second', 'limited', 'third'].entries()) await empty(store, topic, 100 + index)
      await append(store, 'partly', 2)
      await prune(store, 'partly', 1, 1)
      await store.topics.join('joined', 1, { client: 'tok_1', explicit: true })
      await store.topics.retain('limited', { maxMessages: 1 })
      const query = { emptyBefore: 0, maxEmpty: noOne, limit: 10 }
      expect(await store.log.forgetTopics(query)).toBe(0)
      expect(await store.log.forgetTopics({ ...query, emptyBefore: 102 })).toBe(1)
      expect((await store.log.position(topicFilter(['first']))).prunedThrough).toBe(2)
      expect(await store.log.forgetTopics({ ...query, maxEmpty: 3 })).toBe(1)
      expect(await store.log.forgetTopics({ ...query, emptyBefore: noOne, limit: 1 })).toBe(1)
      expect(await store.log.forgetTopics({ ...query, emptyBefore: noOne, maxEmpty: 0 })).toBe(0)
      // Nobody needs them any more, and of one it was never known that it had anything.
      await store.topics.leave('joined')
      await store.topics.retain('limited', { maxMessages: null })
      await store.topics.join('never', 1, { client: 'tok_1', explicit: true })
      await store.topics.leave('never')
      expect(await store.log.forgetTopics({ ...query, emptyBefore: noOne })).toBe(3)
      expect((await store.topics.list({ limit: 10 })).map(({ topic }) => topic)).toEqual(['full', 'partly'])
    })

    test('tells who reads them by name or by a pattern of what may have been pruned, over a restart, and leaves other readers alone', async () => {
      const before = await open()
      await append(before, 'kept')
      await empty(before, 'kept', 1)
      await empty(before, 'gone', 1)
      await append(before, 'other')
      const { pruneCount } = await before.log.position()
      await append(before, 'kept')
      expect(await before.log.forgetTopics({ emptyBefore: 2, maxEmpty: noOne, limit: 10 })).toBe(1)
      await before.stop()
      const store = await reopen()
      const through = 3
      for (const patterns of [['gone'], ['never'], ['kept', 'gone'], ['g.>'], ['*'], ['>'], ['o.*']]) {
        const topics = topicFilter(patterns)
        expect((await store.log.position(topics)).prunedThrough).toBe(through)
        const prunes = async (after: number, prunedSince: number) =>
          (await store.log.read({ after, order: 'asc', limit: 10, topics, prunedSince })).prunes?.topics
        expect(await prunes(0, 0)).toContainEqual({ topic: undefined, through })
        expect(await prunes(through, 0)).toEqual([])
        expect(await prunes(0, pruneCount)).toEqual([])
      }
      for (const [patterns, prunedThrough] of [
        [['kept'], 2],
        [['other'], 0],
        [[directTopic], 0],
      ] as const) {
        expect((await store.log.position(topicFilter([...patterns]))).prunedThrough).toBe(prunedThrough)
      }
      // The topic returns, first without messages, and remembers what it is told from then on.
      await store.topics.join('gone', 1, { client: 'tok_1', explicit: true })
      await append(store, 'gone')
      const step = await store.log.read({ after: 0, order: 'asc', limit: 10, topics: topicFilter(['gone']), prunedSince: 0 })
      expect(step.prunes?.topics).toEqual([{ topic: 'gone', through }])
      expect(await store.topics.get('gone')).toMatchObject({
        messages: 1,
        earliest: step.messages[0]?.seq === undefined ? 0 : step.messages[0].seq - 1,
      })
    })

    test('never hides from a reader that something was pruned, whatever comes in whichever order', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(someStep, { minLength: 5, maxLength: 40, size: 'max' }), async (steps) => {
          let store = await open()
          let now = 100
          let hasForgotten = false
          const joined = new Set<string>()
          const there = new Map<string, number[]>(names.map((name) => [name, []]))
          const pruned: Array<{ topic: string; seq: number; step: number }> = []
          for (const step of steps) {
            now++
            if (step.kind === 'append') {
              const { entries } = await append(store, step.topic, step.count)
              there.get(step.topic)?.push(...entries.flatMap(({ message }) => message?.seq ?? []))
            } else if (step.kind === 'prune') {
              const done = await prune(store, step.topic, now, step.limit)
              const gone = there.get(step.topic)?.splice(0, step.limit) ?? []
              expect(done?.through).toBe(gone.at(-1))
              for (const seq of gone) pruned.push({ topic: step.topic, seq, step: done?.pruneCount ?? 0 })
            } else if (step.kind === 'forget') {
              const count = await store.log.forgetTopics({ emptyBefore: now - step.ago, maxEmpty: step.max, limit: step.limit })
              expect(count).toBeLessThanOrEqual(step.limit)
              hasForgotten ||= count > 0
            } else if (step.kind === 'join') {
              expect(await store.topics.join(step.topic, now, { client: 'tok_1', explicit: true })).toBe(!joined.has(step.topic))
              joined.add(step.topic)
            } else if (step.kind === 'leave') {
              expect(await store.topics.leave(step.topic)).toBe(joined.delete(step.topic))
            } else {
              await store.stop()
              store = await reopen()
            }
          }
          const { pruneCount } = await store.log.position()
          for (const patterns of filters) {
            const topics = patterns === undefined ? undefined : topicFilter(patterns)
            const own = pruned.filter(({ topic }) => topics === undefined || matchesTopic(topics, topic))
            for (const since of new Set([0, Math.floor(pruneCount / 2), pruneCount])) {
              const missed = own.filter(({ step }) => step > since)
              const newest = Math.max(0, ...missed.map(({ seq }) => seq))
              const { prunedThrough } = await store.log.position(topics, since)
              if (hasForgotten) expect(prunedThrough).toBeGreaterThanOrEqual(newest)
              else expect(prunedThrough).toBe(newest)
              for (const after of [0, newest - 1, newest]) {
                const range = { after: Math.max(0, after), order: 'asc' as const, limit: 10, prunedSince: since }
                const { prunes } = await store.log.read({ ...range, ...(topics === undefined ? {} : { topics }) })
                const told = (topic: string) =>
                  Math.max(
                    0,
                    ...(prunes?.topics ?? []).filter((each) => [topic, undefined].includes(each.topic)).map(({ through }) => through),
                  )
                for (const { topic, seq } of missed) if (seq > range.after) expect(told(topic)).toBeGreaterThanOrEqual(seq)
                if (!hasForgotten) expect(prunes?.topics.map(({ topic }) => topic)).not.toContain(undefined)
              }
            }
          }
          for (const name of names.slice(0, -1)) expect((await store.topics.get(name))?.messages ?? 0).toBe(there.get(name)?.length)
          expect(await store.topics.joined()).toEqual([...joined].toSorted())
          await store.stop()
        }),
        { numRuns: 12 },
      )
    })

    test('loses no message, join or limit that comes at the same time, whichever process it comes to', async () => {
      const [store, other] = [await open(), await reopen()]
      const forget = () => other.log.forgetTopics({ emptyBefore: noOne, maxEmpty: 0, limit: 10 })
      for (let round = 0; round < 10; round++) {
        for (const topic of ['appended', 'joined', 'limited']) await empty(store, topic, 1)
        await Promise.all([
          append(store, 'appended', 2),
          forget(),
          store.topics.join('joined', 1, { client: 'tok_1', explicit: true }),
          store.topics.retain('limited', { maxMessages: 5 }),
          forget(),
        ])
        await forget()
        expect(await store.topics.get('appended')).toMatchObject({ messages: 2 })
        expect(await store.topics.get('joined')).toMatchObject({ joined: true, joinedAt: 1 })
        await append(store, 'limited')
        expect((await store.topics.get('limited'))?.retention.maxMessages).toBe(5)
        for (const topic of ['appended', 'limited']) await prune(store, topic, 1)
        await store.topics.leave('joined')
        await store.topics.retain('limited', { maxMessages: null })
      }
    })
  })

  describe('forgetting peers', () => {
    const seen = (peerId: string, seenAge: number) => ({ peerId, multiaddrs: [], source: 'learnt' as const, seenAt: 5_000, seenAge })

    test('takes those that were not seen for longest, by age time, but none that is labelled, blocked or to be kept', async () => {
      const store = await open()
      const left = async () => (await store.peers.list({ limit: 20 })).map(({ peerId }) => peerId)
      await store.peers.save(['1', '2', '3', '4', '5', '6', '7', '8'].map((peerId) => seen(peerId, Number(peerId))))
      await store.peers.save([seen('1', 9), seen('1', 3)])
      await store.peers.annotate('2', { label: 'printer' })
      await store.peers.annotate('3', { blocked: true })
      const query = { seenBefore: 0, max: 100, keep: ['4'], limit: 10 }
      expect(await store.peers.forgetUnseen(query)).toBe(0)
      expect(await store.peers.forgetUnseen({ ...query, seenBefore: 6 })).toBe(1)
      expect(await left()).toEqual(['1', '2', '3', '4', '6', '7', '8'])
      // Five are neither labelled nor blocked.
      expect(await store.peers.forgetUnseen({ ...query, max: 4 })).toBe(1)
      expect(await left()).toEqual(['1', '2', '3', '4', '7', '8'])
      expect(await store.peers.forgetUnseen({ ...query, seenBefore: noOne, limit: 1 })).toBe(1)
      expect(await store.peers.forgetUnseen({ ...query, max: 0 })).toBe(2)
      expect(await left()).toEqual(['2', '3', '4'])
      await store.peers.annotate('2', { label: null })
      await store.peers.annotate('3', { blocked: false })
      expect(await store.peers.forgetUnseen({ ...query, seenBefore: noOne, keep: [] })).toBe(3)
      expect(await left()).toEqual([])
    })
  })
}
