import fc from 'fast-check'
import { expect, test } from 'vitest'
import { matchesTopic } from '../../src/model/topic.ts'
import type { TopicStore } from '../../src/store/topic-store.ts'
import { listVisibleTopics } from '../../src/topics/visible-topics.ts'
import { createMemoryStore } from '../fixtures/memory-store.ts'

/** A store in which these are joined, and how many topics it has answered. */
async function storeOf(names: string[]) {
  const { topics } = createMemoryStore()
  for (const name of names) await topics.join(name, 1, { client: 'tok_1', explicit: true })
  let answered = 0
  const store: Pick<TopicStore, 'list' | 'get'> = {
    async list(query) {
      const records = await topics.list(query)
      answered += records.length
      return records
    },
    async get(name) {
      answered++
      return await topics.get(name)
    },
  }
  return { store, answered: () => answered }
}

const level = fc.constantFrom('a', 'b', '\uffee', '😀', '')
const name = fc
  .array(level, { minLength: 1, maxLength: 3 })
  .map((levels) => levels.join('.'))
  .filter((each) => each !== '')
const pattern = fc
  .tuple(fc.array(fc.oneof(level, fc.constant('*')), { maxLength: 2 }), fc.constantFrom('*', '>'))
  .map(([levels, last]) => [...levels, last].join('.'))

test('lists what a filter allows, in the order of code points, page by page', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(name, { maxLength: 15 }),
      fc.record({ exact: fc.uniqueArray(name, { maxLength: 3 }), patterns: fc.uniqueArray(pattern, { maxLength: 3 }) }),
      fc.integer({ min: 1, max: 4 }),
      async (names, visible, limit) => {
        const { store } = await storeOf(names)
        const expected = names.filter((each) => matchesTopic(visible, each))
        const listed: string[] = []
        for (let after: string | undefined | null; after !== null; ) {
          const page = await listVisibleTopics({ visible, after, limit }, store)
          listed.push(...page.items.map(({ topic }) => topic))
          after = page.next
        }
        expect(listed).toEqual(expected.toSorted((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other))))
      },
    ),
  )
})

test('costs nothing for topics that the filter does not allow', async () => {
  const { store, answered } = await storeOf(Array.from({ length: 500 }, (_, number) => `other.${String(number).padStart(3, '0')}`))
  for (const visible of [
    { exact: ['orders'], patterns: ['orders.>', 'zones.*.x'] },
    { exact: [], patterns: ['nothing.*'] },
  ]) {
    expect(await listVisibleTopics({ visible, after: undefined, limit: 2 }, store)).toEqual({ items: [], next: null })
  }
  expect(answered()).toBeLessThan(15)
})

test('a page of a pattern that matches almost nothing reads a bounded number of topics, and the next goes on', async () => {
  const names = Array.from({ length: 12_000 }, (_, number) => `${String(number).padStart(5, '0')}.${number === 11_000 ? 'rare' : 'often'}`)
  const list: TopicStore['list'] = async ({ after = '', limit }) =>
    names
      .filter((each) => each > after)
      .slice(0, limit)
      .map((topic) => ({ ...empty, topic }))
  const visible = { exact: [], patterns: ['*.rare'] }
  const first = await listVisibleTopics({ visible, limit: 10 }, { list, get: async () => undefined })
  expect(first).toEqual({ items: [], next: names[9_999] })
  const second = await listVisibleTopics({ visible, after: first.next ?? '', limit: 10 }, { list, get: async () => undefined })
  expect(second).toMatchObject({ items: [{ topic: '11000.rare' }], next: null })
})

const empty = {
  joined: true,
  joinedAt: 1,
  ...{ messages: 0, bytes: 0, earliest: 0, latest: 0 },
  retention: { maxAgeMs: null, maxMessages: null, maxBytes: null },
}
